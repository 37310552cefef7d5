"""What a profiler inside of a program has to live with: one situation a run.

    profile_situations.py NAME      prints "ok" at the end; --list prints the names

Each is a function below; it checks by assert.
"""

import asyncio
import gc
import os
import sys
import threading
import time
import warnings

import pyrometer
from pyrometer.compat import cProfile as compat

MONITORING = getattr(sys, "monitoring", None)
SITUATIONS = {}


def situation(function):
    SITUATIONS[function.__name__] = function
    return function


def rows(profile, label=lambda key: key[2]):
    """What was measured: name -> (primitive calls, calls, tottime, cumtime, callers by name)."""
    profile.snapshot_stats()
    return {label(key): (*row[:4], {label(caller): times for caller, times in row[4].items()})
            for key, row in profile.stats.items()}


def calls(profile, name):
    return rows(profile).get(name, (0, 0))[1]


def leaf():
    return 1


def work(rounds):
    for _ in range(rounds):
        leaf()


def nothing_left():
    """No tool, no callback, no event, no profile function is ours."""
    if MONITORING is None:
        assert sys.getprofile() is None and threading.getprofile() is None
        return
    for tool in range(6):
        if MONITORING.get_tool(tool) is not None:
            assert not MONITORING.get_tool(tool).startswith("pyrometer"), tool
            continue
        MONITORING.use_tool_id(tool, "looks")
        assert MONITORING.get_events(tool) == 0
        for name in dir(MONITORING.events):
            if name.startswith("_") or name in ("NO_EVENTS", "BRANCH"):
                continue
            event = getattr(MONITORING.events, name)
            assert MONITORING.register_callback(tool, event, None) is None, (tool, name)
        MONITORING.free_tool_id(tool)


# -- counts -------------------------------------------------------------------------------------


def generate(rounds):
    for number in range(rounds):
        yield number


async def wait(rounds):
    for _ in range(rounds):
        await asyncio.sleep(0)
    return rounds


async def gather(tasks):
    return await asyncio.gather(*(wait(3) for _ in range(tasks)))


@situation
def generators_are_called_once():
    with pyrometer.Profile() as profile:
        list(generate(5))
        left = generate(9)
        next(left)
        left.close()
        for _ in generate(7):
            break
        asyncio.run(gather(4))
    assert calls(profile, "generate") == 3, rows(profile)["generate"]
    assert calls(profile, "wait") == 4 and calls(profile, "gather") == 1
    with compat.Profile() as profile:
        list(generate(5))
    assert calls(profile, "generate") == 6


@situation
def what_was_not_seen_to_end_does_not_disturb():
    """Generators closed, and thrown into, at every depth: callers and counts stay right."""

    def catches():
        try:
            while True:
                yield leaf()
        finally:
            leaf()

    def user(how):
        generator = catches()
        next(generator)
        if how == "close":
            generator.close()
        elif how == "throw":
            try:
                generator.throw(KeyError)
            except KeyError:
                pass
        else:
            del generator
        leaf()

    with pyrometer.Profile() as profile:
        for how in ("close", "throw", "delete") * 100:
            user(how)
    row = rows(profile)["leaf"]
    assert row[:2] == (900, 900), row
    assert {name: times[0] for name, times in row[4].items()} == {"catches": 600, "user": 300}, row
    assert calls(profile, "user") == 300 and calls(profile, "catches") == 300
    user_row = rows(profile)["user"]
    assert user_row[0] == 300, user_row


@situation
def ends_that_no_event_tells():
    """As if events were lost: what is over is found out by the next event, and by the end of what is outside."""
    if MONITORING is None:
        return
    events = 0

    def switch(on):
        nonlocal events
        for tool in range(6):
            if MONITORING.get_tool(tool) == "pyrometer":
                events = events or MONITORING.get_events(tool)
                MONITORING.set_events(tool, events if on else 0)

    def lost():
        switch(False)

    def goes_on():
        lost()
        switch(True)
        leaf()

    def returns():
        lost()
        switch(True)

    with pyrometer.Profile(builtins=False) as profile:
        for _ in range(10):
            goes_on()
            returns()
            leaf()
    measured = rows(profile)
    assert measured["leaf"][:2] == (20, 20), measured["leaf"]
    assert {name: times[0] for name, times in measured["leaf"][4].items()} == {"goes_on": 10}, measured["leaf"]
    for name in ("goes_on", "returns"):
        assert measured[name][:2] == (10, 10) and not measured[name][4], (name, measured[name])
    assert measured["lost"][:2] == (20, 20), measured["lost"]


@situation
def exceptions_and_recursion_errors():
    def deep(depth):
        return deep(depth + 1)

    def fails():
        raise ValueError

    with pyrometer.Profile() as profile:
        for _ in range(3):
            try:
                deep(0)
            except RecursionError:
                pass
        for _ in range(50):
            try:
                fails()
            except ValueError:
                leaf()
            try:
                int("no")
            except ValueError:
                pass
    primitive, count = rows(profile)["deep"][:2]
    assert primitive == 3 and count > 3 * 500, (primitive, count)
    assert calls(profile, "fails") == 50 and calls(profile, "leaf") == 50
    assert not rows(profile)["leaf"][4], rows(profile)["leaf"]


@situation
def enabled_near_the_end_of_the_stack():
    profile = pyrometer.Profile()

    def deep(depth):
        try:
            deep(depth + 1)
        except RecursionError:
            pass
        try:
            profile.enable()
            leaf()
            profile.disable()
        except RecursionError:
            pass

    deep(0)
    profile.disable()
    nothing_left()
    assert calls(profile, "leaf") > 100


@situation
def memory_errors_of_the_program():
    def hungry():
        return bytearray(1 << 62)

    with pyrometer.Profile() as profile:
        for _ in range(20):
            try:
                hungry()
            except MemoryError:
                leaf()
    assert calls(profile, "hungry") == calls(profile, "leaf") == 20


@situation
def c_functions():
    with pyrometer.Profile() as profile:
        for _ in range(10):
            len(())
            [].append(1)
            int("1")
            sorted([2, 1], key=abs)
            "".join(("a", "b"))
    shown = {name: row[1] for name, row in rows(profile).items()}
    assert shown.pop("<class 'int'>", 10) == 10
    assert (MONITORING is None) or "<class 'int'>" in rows(profile)
    expected = {"<built-in method builtins.len>", "<method 'append' of 'list' objects>",
                "<built-in method builtins.sorted>", "<method 'join' of 'str' objects>"}
    assert {name: shown.get(name) for name in expected} == dict.fromkeys(expected, 10), shown
    assert not any("Profile" in name for name in shown), shown


# -- threads ------------------------------------------------------------------------------------


def in_threads(count, function, *arguments):
    threads = [threading.Thread(target=function, args=arguments) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    for thread in threads:
        thread.join()


def slow_work(rounds):
    for _ in range(rounds):
        leaf()
        time.sleep(0)


@situation
def two_threads_in_the_same_function():
    with pyrometer.Profile(threads="all") as profile:
        join(in_threads(2, slow_work, 300))
    row = rows(profile)["leaf"]
    assert row[:2] == (600, 600), row
    assert {name: times[:2] for name, times in row[4].items()} == {"slow_work": (600, 600)}, row
    assert rows(profile)["slow_work"][:2] == (2, 2)
    nothing_left()


@situation
def only_the_calling_thread():
    started = threading.Event()
    stop = threading.Event()

    def other():
        while not stop.is_set():
            leaf()
            started.set()

    threads = in_threads(1, other)
    started.wait()
    with pyrometer.Profile() as profile:
        slow_work(100)
    stop.set()
    join(threads)
    assert calls(profile, "leaf") == 100
    assert calls(profile, "other") == 0


@situation
def a_profile_in_each_thread():
    counts = {}

    def one(rounds):
        profile = pyrometer.Profile()
        profile.enable()
        slow_work(rounds)
        profile.disable()
        counts[rounds] = calls(profile, "leaf"), rows(profile)["leaf"][4]["slow_work"][0]

    threads = [threading.Thread(target=one, args=(rounds,)) for rounds in range(50, 58)]
    for thread in threads:
        thread.start()
    join(threads)
    assert counts == {rounds: (rounds, rounds) for rounds in range(50, 58)}, counts
    nothing_left()


@situation
def one_profile_enabled_in_two_threads():
    profile = pyrometer.Profile()
    profile.enable()

    def other():
        profile.enable()
        work(30)

    join(in_threads(1, other))
    work(20)
    profile.disable()
    assert calls(profile, "leaf") == 50
    nothing_left()


@situation
def enabled_again_in_another_thread():
    profile = pyrometer.Profile()
    with profile:
        work(5)
    on, done = threading.Event(), threading.Event()

    def other():
        with profile:
            work(7)
            on.set()
            done.wait()

    threads = in_threads(1, other)
    on.wait()
    work(100)
    done.set()
    join(threads)
    assert calls(profile, "leaf") == 12, calls(profile, "leaf")


@situation
def many_short_threads():
    with pyrometer.Profile(threads="all") as profile:
        for _ in range(300):
            join(in_threads(1, work, 3))
    assert calls(profile, "leaf") == 900
    assert rows(profile)["leaf"][4]["work"][0] == 900


@situation
def disabled_by_another_thread():
    profile = pyrometer.Profile()
    profile.enable()
    work(10)
    join(in_threads(1, profile.disable))
    work(10)
    assert calls(profile, "leaf") == 10
    nothing_left()


@situation
def threads_that_run_at_once():
    """Of a Profile of all threads, and of those of each one alone."""
    own = {}

    def one(number):
        with pyrometer.Profile(builtins=False) as profile:
            work(2000 + number)
        own[number] = calls(profile, "leaf"), rows(profile)["leaf"][4]["work"][0]
        work(100)

    with pyrometer.Profile(threads="all") as profile:
        threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        join(threads)
    assert own == {number: (2000 + number, 2000 + number) for number in range(6)}, own
    row = rows(profile)["leaf"]
    assert row[:2] == (12615, 12615) and {name: times[0] for name, times in row[4].items()} == {"work": 12615}, row
    assert calls(profile, "work") == 12
    nothing_left()


def recursive(depth):
    return recursive(depth - 1) if depth else abs(0)


@situation
def looked_at_and_changed_while_threads_run():
    """One Profile is read while others run, and more go on, are cleared, and go off: it misses nothing."""
    done = threading.Event()
    rounds = []

    def run():
        count = 0
        while not done.is_set() or count < 50:
            recursive(9)
            count += 1
        rounds.append(count)

    with pyrometer.Profile(threads="all") as steady:
        threads = in_threads(3, run)
        before = (0, 0)
        for number in range(60):
            other = pyrometer.Profile(threads="all", builtins=bool(number % 2))
            other.enable()
            recursive(3)
            if number % 3:
                other.clear()
            other.getstats()
            if number % 4:
                other.disable()
            del other
            now = max(((entry.callcount, entry.reccallcount) for entry in steady.getstats()
                       if entry.code is recursive.__code__), default=(0, 0))
            assert now[0] >= now[1] and now >= before, (before, now)
            before = now
        done.set()
        join(threads)
    expected = 10 * sum(rounds) + 4 * 60
    primitive, count = rows(steady)["recursive"][:2]
    assert (primitive, count) == (sum(rounds) + 60, expected), (primitive, count, rounds)
    assert calls(steady, "<built-in method builtins.abs>") == primitive
    nothing_left()


@situation
def switched_by_threads_at_once():
    """Profiles that belong to all of them: nobody waits for ever, nothing is left, and each sees its own calls."""
    common = [pyrometer.Profile(), pyrometer.Profile(threads="all"), compat.Profile(lambda: 1, 1.0)]
    wrong = []

    def switch(number):
        for turn in range(30):
            profile = common[(number + turn) % 3]
            try:
                profile.enable()
                work(2)
                profile.clear() if turn % 5 == 0 else profile.getstats()
                profile.disable()
            except RuntimeError as error:  # the timer of one of them is asked by another thread
                assert "timer" in str(error), error
            with pyrometer.Profile() as own:
                work(7)
            if calls(own, "leaf") != 7:
                wrong.append(calls(own, "leaf"))

    threads = [threading.Thread(target=switch, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    join(threads)
    for profile in common:
        profile.disable()
    assert not wrong, wrong
    nothing_left()


@situation
def a_daemon_thread_at_shutdown():
    profile = pyrometer.Profile(threads="all")
    profile.enable()

    def forever():
        while True:
            work(100)

    thread = threading.Thread(target=forever, daemon=True)
    thread.start()
    time.sleep(0.05)
    globals()["kept"] = profile  # still on when the interpreter ends


# -- side by side -------------------------------------------------------------------------------


@situation
def several_at_once():
    profiles = [pyrometer.Profile(builtins=bool(i % 2)) for i in range(20)]
    for count, profile in enumerate(profiles):
        profile.enable()
        work(10)
    for count, profile in enumerate(profiles):
        profile.disable()
        work(1)
    for count, profile in enumerate(profiles):
        assert calls(profile, "leaf") == 10 * (20 - count) + count, (count, calls(profile, "leaf"))
        assert rows(profile)["leaf"][4]["work"][0] == calls(profile, "leaf")
    nothing_left()


@situation
def timers_and_clocks_at_once():
    ticks = iter(range(10**6))
    ours, theirs = pyrometer.Profile(), compat.Profile(lambda: next(ticks), 1.0)
    theirs.enable()
    ours.enable()  # measures its costs first, which the other one must not see
    work(10)
    ours.disable()
    theirs.disable()
    assert calls(ours, "leaf") == calls(theirs, "leaf") == 10
    names = {key[0] for key in theirs.stats}
    assert "<pyrometer>" not in names, names
    assert rows(theirs)["leaf"][2] == 10.0


@situation
def beside_cprofile():
    import cProfile

    theirs = cProfile.Profile()
    with pyrometer.Profile() as ours:
        work(3)
        if MONITORING is not None:
            theirs.enable()
            work(10)
            theirs.disable()
        work(4)
    assert calls(ours, "leaf") == (17 if MONITORING is not None else 7)
    theirs = cProfile.Profile()
    theirs.enable()
    work(5)
    with pyrometer.Profile() as ours:
        work(10)
    work(5)
    theirs.disable()
    assert calls(ours, "leaf") == 10
    theirs.create_stats()
    assert [row[1] for key, row in theirs.stats.items() if key[2] == "leaf"] == [20]
    nothing_left()


@situation
def beside_another_tool():
    seen = []
    if MONITORING is None:
        sys.setprofile(lambda frame, event, argument: event == "call" and seen.append(frame.f_code.co_name))
        with pyrometer.Profile() as profile:
            work(10)
        work(1)
        function = sys.getprofile()
        sys.setprofile(None)
        assert function is not None and seen.count("leaf") == 11, seen
        assert calls(profile, "leaf") == 10
        return
    for tool in (1, 3):
        MONITORING.use_tool_id(tool, "other")
        MONITORING.register_callback(tool, MONITORING.events.PY_START, lambda *_: seen.append(_[0].co_name))
        MONITORING.set_events(tool, MONITORING.events.PY_START)
    with pyrometer.Profile() as profile:
        work(10)
    work(1)
    for tool in (1, 3):
        assert MONITORING.get_tool(tool) == "other"
        assert MONITORING.get_events(tool) == MONITORING.events.PY_START
        MONITORING.set_events(tool, 0)
        MONITORING.register_callback(tool, MONITORING.events.PY_START, None)
        MONITORING.free_tool_id(tool)
    assert seen.count("leaf") == 2 * 11, seen.count("leaf")
    assert calls(profile, "leaf") == 10
    nothing_left()


@situation
def no_tool_id_is_free():
    if MONITORING is None:
        return
    for tool in range(6):
        MONITORING.use_tool_id(tool, "other")
    profile = pyrometer.Profile()
    try:
        profile.enable()
    except RuntimeError as error:
        assert "tool id" in str(error)
    else:
        raise AssertionError("took an id by force")
    work(3)
    for tool in range(6):
        assert MONITORING.get_tool(tool) == "other"
        MONITORING.free_tool_id(tool)
    with profile:
        work(5)
    assert calls(profile, "leaf") == 5
    nothing_left()


@situation
def traced_at_the_same_time():
    lines = []

    def trace(frame, event, argument):
        if frame.f_code is leaf.__code__:
            lines.append(event)
        return trace

    sys.settrace(trace)
    with pyrometer.Profile() as profile:
        work(10)
    sys.settrace(None)
    assert calls(profile, "leaf") == 10
    assert lines.count("call") == 10


# -- nothing is left ----------------------------------------------------------------------------


@situation
def nothing_is_left():
    nothing_left()
    for threads in ("calling", "all"):
        profile = pyrometer.Profile(threads=threads)
        profile.enable()
        profile.enable()
        work(3)
        profile.disable()
        nothing_left()
        profile.disable()
        before = calls(profile, "leaf")
        work(3)
        assert calls(profile, "leaf") == before == 3


@situation
def collected_while_on():
    class Cycle(pyrometer.Profile):
        pass

    for kind in (pyrometer.Profile, Cycle):
        for threads in ("calling", "all"):
            profile = kind(threads=threads)
            profile.itself = profile
            profile.enable()
            work(3)
            del profile
            gc.collect()
            work(3)
            nothing_left()


@situation
def threading_profile_is_put_back():
    mine = lambda *arguments: None  # noqa: E731
    threading.setprofile(mine)
    with pyrometer.Profile(threads="all") as profile:
        join(in_threads(1, work, 3))
    assert threading.getprofile() is mine
    assert calls(profile, "leaf") == 3
    threading.setprofile(None)


# -- what a user may do -------------------------------------------------------------------------


@situation
def a_timer_that_fails():
    reported = []
    sys.unraisablehook = reported.append

    def timer():
        raise KeyError("no time")

    for wrong in (timer, lambda: "x", lambda: None, lambda: 1 << 80, lambda: float("nan")):
        for unit in (0.0, 0.5):
            reported.clear()
            profile = pyrometer.Profile(wrong, unit)
            profile.enable()
            work(10)
            profile.disable()
            assert calls(profile, "leaf") == 10
            assert len(reported) > 20, (wrong, unit, reported)
    sys.unraisablehook = sys.__unraisablehook__


@situation
def a_timer_that_reenters():
    refused = []
    profile = None

    def attempt(what):
        try:
            what()
        except RuntimeError as error:
            refused.append(str(error))

    def timer():
        leaf()
        attempt(profile.disable)
        attempt(profile.clear)
        attempt(profile.enable)
        profile.getstats()
        with pyrometer.Profile():
            leaf()
        gc.collect(0)
        return 1

    for threads in ("calling", "all"):
        profile = pyrometer.Profile(timer, threads=threads)
        profile.enable()
        work(5)
        profile.disable()
        assert calls(profile, "leaf") == 5
    assert refused and all("timer" in text for text in refused)
    nothing_left()


@situation
def a_timer_that_ends_other_profiles():
    others = []

    def timer():
        if others:
            others.pop().disable()
        others.append(compat.Profile(timer=lambda: 1))
        others[-1].enable()
        del others[:-1]
        return 1.0

    profile = pyrometer.Profile(timer)
    profile.enable()
    work(50)
    profile.disable()
    assert calls(profile, "leaf") == 50
    others.clear()
    nothing_left()


@situation
def a_timer_that_lets_other_threads_end_it():
    def timer():
        time.sleep(0.0005)
        return time.perf_counter()

    for _ in range(10):
        profile = pyrometer.Profile(timer, threads="all")
        profile.enable()
        threads = in_threads(3, work, 20)
        time.sleep(0.004)
        profile.disable()
        profile.clear()
        profile.getstats()
        join(threads)
    nothing_left()


@situation
def cleared_in_the_middle():
    profile = pyrometer.Profile()
    profile.enable()

    def inner():
        work(3)
        profile.clear()
        work(4)

    inner()
    work(5)
    profile.disable()
    assert calls(profile, "leaf") == 9 and calls(profile, "work") == 2
    assert calls(profile, "inner") == 0


@situation
def wrong_arguments():
    for arguments in ({"threads": "some"}, {"timeunit": "x"}, {"nothing": 1}):
        try:
            pyrometer.Profile(**arguments)
        except (TypeError, ValueError):
            pass
        else:
            raise AssertionError(arguments)

    class Forgets(pyrometer.Profile):
        def __init__(self):
            pass

    with Forgets() as profile:
        work(3)
    assert calls(profile, "leaf") == 3


@situation
def code_that_dies():
    with pyrometer.Profile() as profile:
        for number in range(300):
            variables = {}
            exec(f"def made_{number}():\n    return {number}", variables)
            variables[f"made_{number}"]()
            del variables
    measured = rows(profile)
    assert all(measured[f"made_{number}"][1] == 1 for number in range(300))


@situation
def classes_that_die():
    import ctypes

    with pyrometer.Profile() as profile:
        for number in range(50):
            made = type(f"Made{number}", (ctypes.Structure,), {"_fields_": [("x", ctypes.c_int)]})
            made(1)
            del made
            gc.collect()
    profile.getstats()


@situation
def same_label_is_added_up():
    def make():
        variables = {}
        exec(compile("def same():\n    return len(())", "same.py", "exec"), variables)
        return variables["same"]

    functions = [make() for _ in range(3)]
    with pyrometer.Profile() as profile:
        for function in functions:
            function()
            function()
    assert calls(profile, "same") == 6
    assert rows(profile)["<built-in method builtins.len>"][4]["same"][0] == 6


# -- processes ----------------------------------------------------------------------------------


@situation
def forked_while_on():
    for threads in ("calling", "all"):
        profile = pyrometer.Profile(threads=threads)
        busy = threading.Event()
        stop = threading.Event()

        def other():
            busy.set()
            stop.wait()

        others = in_threads(1, other)
        busy.wait()
        profile.enable()
        work(5)
        child = os.fork()
        work(7)
        profile.disable()
        good = calls(profile, "leaf") == 12 and rows(profile)["leaf"][4]["work"][0] == 12
        if child == 0:
            nothing_left()
            os._exit(0 if good else 1)
        assert good and os.waitpid(child, 0)[1] == 0
        stop.set()
        join(others)


@situation
def forked_in_a_thread():
    def forks():
        child = os.fork()
        work(4)
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

    with pyrometer.Profile(threads="all") as profile:
        join(in_threads(1, forks))
    assert calls(profile, "leaf") == 4


@situation
def left_by_exit():
    """Statistics are written although the statement exits; that is no error."""
    import pstats
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.prof")
        for module in (pyrometer, compat):
            for statement, error in (("leaf(); raise SystemExit(3)", None), ("leaf(); raise KeyError", KeyError)):
                try:
                    module.runctx(statement, {"leaf": leaf}, {}, path)
                except KeyError:
                    assert error is KeyError
                else:
                    assert error is None
                stats = pstats.Stats(path).stats
                assert [row[1] for key, row in stats.items() if key[2] == "leaf"] == [1]
                os.unlink(path)
    nothing_left()


@situation
def exits_while_on():
    profile = globals()["kept"] = pyrometer.Profile(threads="all")
    profile.enable()
    work(3)
    print("ok")
    sys.exit(0)


@situation
def os_exits_while_on():
    pyrometer.Profile().enable()
    globals()["kept"] = pyrometer.Profile(threads="all")
    globals()["kept"].enable()
    work(3)
    print("ok", flush=True)
    os._exit(0)


@situation
def sub_interpreters():
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters

    def run(number, code):
        failed = getattr(interpreters, "run_string")(number, code)
        assert failed is None, failed

    code = f"import sys\nsys.path[:0] = {sys.path!r}\n" + """
def leaf(): return 1
for _ in range(100): leaf()
try:
    import pyrometer
    pyrometer.Profile().enable()
except (ImportError, RuntimeError):
    pass
else:
    raise AssertionError('profiles another interpreter')
for _ in range(100): leaf()
"""
    with pyrometer.Profile(threads="all") as profile:
        work(3)
        for config in (("legacy",), ("isolated",)) if sys.version_info >= (3, 13) else ((),):
            number = interpreters.create(*config)
            run(number, code)
            interpreters.destroy(number)
        work(3)
    assert calls(profile, "leaf") == 6, calls(profile, "leaf")
    nothing_left()


# -- times --------------------------------------------------------------------------------------


@situation
def what_the_events_cost_is_known():
    profile = pyrometer.Profile()
    assert profile.costs() == {"python_call": 0, "c_call": 0, "call_instruction": 0, "removed": 0}
    with profile:
        work(1000)
    costs = profile.costs()
    assert 5e-9 < costs["python_call"] < 1e-5 and 5e-9 < costs["c_call"] < 1e-5, costs
    now = 1000 * (costs["python_call"] + costs["call_instruction"])  # they followed the machine's speed meanwhile
    assert now / 4 < costs["removed"] < now * 4, costs
    assert compat.Profile(lambda: 1).costs()["removed"] == 0


def main():
    warnings.filterwarnings("ignore", "This process .* is multi-threaded")  # of os.fork()
    if sys.argv[1] == "--list":
        print(*SITUATIONS)
        return
    SITUATIONS[sys.argv[1]]()
    print("ok")


main()
