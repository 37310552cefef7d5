"""What the middleware of pyrometer.web does to the protocols it stands between, asked of it: prints "ok", or fails. No server, no
framework, and no sampler: PYROMETER_PROGRAM names none."""

import asyncio
import contextvars
import ctypes
import gc
import hashlib
import hmac
import json
import os
import socket
import sqlite3
import stat
import sys
import tempfile
import threading
import time
import types
import weakref
from array import array
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from pyrometer import web
from pyrometer.web import ASGIMiddleware, WSGIMiddleware, count_queries
from pyrometer.web import _page, _queries, _sampler, _service, _slots, _tokens, _watched

SECRET = "0123456789abcdef"


def token(path):
    expires = int(time.time()) + 60
    message = "pyrometer profile 1\n{}\n{}".format(expires, path).encode()
    return "1.{}.{}".format(expires, hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest())


def ask(app, path="/a", told=True, **more):
    """(status, headers, body, exc_info) as a server gets them, in order."""
    environ, seen = {"SCRIPT_NAME": "", "PATH_INFO": path, **more}, []
    setup_testing_defaults(environ)
    if told:
        environ["HTTP_X_PYROMETER_TOKEN"] = token(path)

    def start_response(status, headers, exc_info=None):
        seen.append((status, dict(headers), exc_info))
        return lambda data: seen.append(data)

    body = app(environ, start_response)
    seen += list(body)
    if hasattr(body, "close"):
        body.close()
    return seen, body


def plain(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"one", b"two"]


def wsgi_is_kept_to():
    app = validator(WSGIMiddleware(validator(plain), secret=SECRET))
    for told in (True, False):
        seen, _ = ask(app, told=told, QUERY_STRING="")
        assert seen[0][0] == "200 OK" and seen[1:] == [b"one", b"two"]
        assert ("X-Profile" in seen[0][1]) == told


def bodies_are_untouched():
    class Body:
        closed = False

        def __iter__(self):
            return iter([b"piece"])

        def close(self):
            self.closed = True

    made = Body()

    def app(environ, start_response):
        start_response("200 OK", [])
        return made

    for options in ({}, {"secret": SECRET}, {"slow_s": 0, "failed": True}):
        seen, body = ask(WSGIMiddleware(app, **options))
        assert body is made and made.closed and seen[1] == b"piece"


def who_writes_is_not_held_back():
    def app(environ, start_response):
        write = start_response("200 OK", [])
        write(b"first")
        write(b"second")
        return [b"third"]

    def elsewhere(environ, start_response):
        write = start_response("200 OK", [])
        contextvars.copy_context().run(write, b"first")
        write(b"second")
        return [b"third"]

    for watch in watches():
        found, _service.find_watch = _service.find_watch, lambda: watch
        for program in (app, elsewhere):
            seen, _ = ask(WSGIMiddleware(program, secret=SECRET))
            assert "X-Profile" in seen[0][1] and seen[1:] == [b"first", b"second", b"third"]
            assert _queries.current.get() is None, (watch, program)
        _service.find_watch = found


def who_starts_late_has_no_header():
    def app(environ, start_response):
        start_response("200 OK", [])
        yield b"late"

    seen, _ = ask(WSGIMiddleware(app, secret=SECRET))
    assert seen == [("200 OK", {}, None), b"late"]


def exceptions_pass():
    def app(environ, start_response):
        raise KeyError("mine")

    middleware = WSGIMiddleware(app, failed=True)
    for _ in range(300):  # no slot is lost
        try:
            ask(middleware, told=False)
            raise AssertionError
        except KeyError as error:
            assert error.args == ("mine",)
    assert middleware.service.counts["kept"] == 300 and _queries.current.get() is None

    def starts_again(environ, start_response):
        start_response("200 OK", [])
        try:
            raise ValueError
        except ValueError:
            start_response("500 Sorry", [("A", "b")], sys.exc_info())
        return [b"sorry"]

    seen, _ = ask(WSGIMiddleware(starts_again, secret=SECRET))
    assert len(seen) == 2 and seen[0][0] == "500 Sorry" and seen[0][1]["A"] == "b" and seen[0][2][0] is ValueError


def what_nobody_waits_for_is_let_go():
    """The sampler's figures, where no answer begins that could tell them."""
    def raises(environ, start_response):
        raise KeyError("mine")

    def says_nothing(environ, start_response):
        return []

    async def fails(scope, receive, send):
        raise KeyError("mine")

    async def answers(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def begins_in_vain(scope, receive, send):  # as where a task of its own is cancelled before it ran
        send({"type": "http.response.start", "status": 200, "headers": []}).close()

    async def answer(app):
        app.service.sampler.socket, app.service.sampler.state = Waits(), "ready"
        await app(scope, None, None)

    async def leave(app):  # the client goes away while the answer waits for the figures
        sampler = app.service.sampler
        sampler.socket, sampler.state = Waits(), "ready"
        task = asyncio.ensure_future(app(scope, None, None))
        while not sampler._wanted:
            await asyncio.sleep(0.001)
        task.cancel()
        return await asyncio.wait([task])

    class Waits:
        def send(self, *_): pass
        def recv(self, *_): raise BlockingIOError
        def close(self): pass

    scope = {"type": "http", "method": "GET", "path": "/a", "headers": [(b"x-pyrometer-token", token("/a").encode())], "client": None}
    folder = tempfile.mkdtemp()
    for app, begin in (
        (WSGIMiddleware(raises, secret=SECRET, directory=folder), ask),
        (WSGIMiddleware(says_nothing, secret=SECRET, directory=folder), ask),
        (ASGIMiddleware(fails, secret=SECRET, directory=folder), lambda app: asyncio.run(app(scope, None, None))),
        (ASGIMiddleware(answers, secret=SECRET, directory=folder), lambda app: asyncio.run(leave(app))),
        (ASGIMiddleware(begins_in_vain, secret=SECRET, directory=folder), lambda app: asyncio.run(answer(app))),
    ):
        try:
            begin(app)
        except KeyError as error:
            assert error.args == ("mine",)
        sampler = app.service.sampler
        assert app.service.counts["kept"] == 1 and not sampler._wanted and not sampler._answers, app.app
    os.rmdir(folder)


def what_is_told_of_a_recording():
    """Its id only where there will be one, and that the figures are late where they are."""
    class Answers:
        sent, messages = None, ()

        def send(self, message, flags):
            self.sent = message.split()[4].decode()

        def recv(self, size):
            if self.sent is None or not self.messages:
                raise BlockingIOError
            return json.dumps({"id": self.sent, **self.messages.pop(0)}).encode()

        def fileno(self):
            return os.open(os.devnull, os.O_RDONLY)

    figures = {"samples": 3, "running_s": 1.0, "top_file": "/a.py", "top_line": 7, "top_s": 0.5}
    folder, texts = tempfile.mkdtemp(), []
    middleware = WSGIMiddleware(plain, secret=SECRET, directory=folder)
    sampler = middleware.service.sampler
    for state, messages in (
        ("starting", []), ("ready 1", []), ("ready 1", [{"recording": True, **figures}]),
        ("ready 1", [{"recording": False, "samples": 0}]), ("ready 1", [{"recording": True, **figures}]),
    ):  # fmt: skip
        sampler.socket, sampler.state = Answers(), state
        sampler.socket.messages = messages
        texts.append(ask(middleware)[0][0][1]["X-Profile"])
    kept = list(middleware.service.recent)
    assert middleware.service.counts["unsampled"] == 1  # while it started
    for text, (late, id_, top) in zip(texts, ((0, 0, 0), (1, 1, 0), (0, 1, 1), (0, 0, 0), (0, 1, 1))):
        assert ("figures=late" in text, "id=" in text, "top=a.py:7:0.50s" in text) == (late, id_, top), texts
    assert [one.asked for one in kept] == [False, True, True, True, True]
    sampler._take({"id": kept[-1].id, "recording": False, "error": "no room"})  # it came to nothing after all
    assert kept[-1].answer == {"id": kept[-1].id, "recording": False, "error": "no room", **figures}
    assert not sampler._wanted and not sampler._answers
    os.rmdir(folder)
    assert "id=" not in ask(WSGIMiddleware(plain, secret=SECRET))[0][0][1]["X-Profile"]


def what_has_no_recording_is_counted():
    """Kept, but the sampler was not asked: it starts, it is behind, it ended. Who has no slot is counted as that, and who has a recording not at all."""
    class Answers:
        def __init__(self, error=None):
            self.error, self.closed = error, False

        def send(self, message, flags):
            if self.error is not None:
                raise self.error

        def recv(self, size):
            raise BlockingIOError

        def fileno(self):
            return 0

        def close(self):
            self.closed = True

    folder = tempfile.mkdtemp()
    for told in (True, False):
        app, found = WSGIMiddleware(plain, secret=SECRET, slow_s=0, directory=folder), []
        service, sampler = app.service, app.service.sampler
        for state, socket_, slots in (
            ("starting", Answers(), True), ("ready 1", Answers(), True), ("ready 1", Answers(BlockingIOError()), True),
            ("ready 1", Answers(BrokenPipeError()), True), ("ready 1", Answers(), False),
        ):  # fmt: skip
            free = list(service.slots.free)
            if not slots:
                service.slots.free.clear()
            sampler.state, sampler.socket = state, socket_
            ask(app, told=told)
            service.slots.free[:] = free
            found.append((service.counts["unsampled"], service.counts["no_slot"], socket_.closed))
        assert found == [(1, 0, False), (1, 0, False), (2, 0, False), (3, 0, True), (3, 1, False)], (told, found)
        assert service.counts["kept"] == 5 and service.counts["errors"] == 0
        assert [kept.asked for kept in service.recent] == [False, True, False, False, False]
    os.rmdir(folder)


def recordings_are_rationed():
    """Those on top are counted and told, and cost the sampler nothing; who asks has a share that failures do not take."""
    second, allowed = 10**9, _service.Allowance(2.0)
    taken = [[allowed.take(at) for _ in range(12)] for at in (100 * second, 100 * second, 101 * second, 200 * second)]
    assert [sum(some) for some in taken] == [10, 0, 2, 10] and taken[2][:2] == [True, True]
    seldom = _service.Allowance(0.01)
    assert sum(seldom.take(at * second) for at in range(200, 1200)) == 10

    class Sent:
        messages = 0

        def send(self, message, flags):
            self.messages += 1

        def recv(self, size):
            raise BlockingIOError

        def fileno(self):
            return os.open(os.devnull, os.O_RDONLY)

        def close(self):
            pass

    folder = tempfile.mkdtemp()
    app = WSGIMiddleware(plain, secret=SECRET, slow_s=0, directory=folder, recordings_per_s=0.2)
    service, sampler, sent = app.service, app.service.sampler, Sent()
    sampler.socket, sampler.state = sent, "ready 1"
    asked = [ask(app, told=told)[0][0][1].get("X-Profile") for told in (True, True, False, False, True)]
    assert ["figures=limited" in (text or "") for text in asked] == [False, True, False, False, True], asked
    assert "id=" in asked[0] and "id=" not in asked[1] + asked[4] and asked[1].startswith("total=")
    assert [(kept.asked, kept.limited) for kept in service.recent] == [(True, False), (False, True)] * 2 + [(False, True)]
    assert (sent.messages, web.stats()["limited"], service.counts["unsampled"], service.counts["kept"]) == (2, 3, 0, 5)
    assert _page.answer(service, "")[2].count(b"<td>limited</td>") == 3
    sampler.socket = None  # it ended: nobody is asked, and that is what is said
    sampler._retry_s = time.monotonic() + 60
    assert "figures" not in ask(app)[0][0][1]["X-Profile"] and service.counts["unsampled"] == 1
    os.rmdir(folder)


def shares():
    kept = WSGIMiddleware(plain, share=1.0)
    assert all("X-Profile" not in ask(kept, told=False)[0][0][1] for _ in range(20))
    assert kept.service.counts["kept"] == 20
    some = WSGIMiddleware(plain, share=0.5)
    for _ in range(400):
        ask(some, told=False)
    assert 100 < some.service.counts["kept"] < 300  # ten standard deviations


def what_is_under_way():
    """Who looks from outside sees which request began when, whether somebody asked for it (odd, while it may have samples), and what its context has."""
    for watch in watches():
        found, _service.find_watch = _service.find_watch, lambda: watch
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o700)
            seen, middleware = [], None

            def app(environ, start_response):
                if environ.get("inner"):
                    ask(middleware, **environ["inner"])
                began_of, objects = middleware.service.under_way[:_slots.SLOTS], middleware.service.under_way[_slots.SLOTS :]
                seen.append([began for began in began_of if began])
                current = _queries.current.get()
                assert [bool(began) for began in began_of] == [bool(address) for address in objects]
                assert (id(current) in objects) == bool(seen[-1] and not environ.get("limited"))
                start_response("200 OK", [])
                return [b""]

            def of(told, options, **more):
                nonlocal middleware
                before_ns = time.monotonic_ns()
                middleware = WSGIMiddleware(app, directory=folder, **options)
                middleware.service.sampler._retry_s = time.monotonic() + 60
                ask(middleware, told=told, **more)
                assert not any(middleware.service.under_way)
                assert all(before_ns <= began | 1 <= time.monotonic_ns() | 1 for all_of in seen for began in all_of)
                now, seen[:] = [[began & 1 for began in all_of] for all_of in seen], []
                return now

            assert of(False, {"slow_s": 1}) == [[0]] and of(False, {"failed": True}) == [[0]]
            assert of(False, {"share": 1.0}) == [[1]] and of(True, {"secret": SECRET}) == [[1]]
            assert of(True, {"secret": SECRET, "recordings_per_s": 0.2}, inner={"told": True, "limited": True}) == [[1], [1]]  # the second is one too many
            assert of(True, {"secret": SECRET, "failed": True}, inner={"told": False}) == [[1, 0], [1]]
            assert of(False, {"secret": SECRET}) == [[]]
            for hz, every in ((20, 5), (100, 1), (1000, 1), (30, 3)):
                assert WSGIMiddleware(app, slow_s=1, directory=folder, background_hz=hz).service.sampler._go.split()[4] == str(every).encode()
            for slow_s, old_ms in ((None, 100), (10, 100), (0.5, 50), (0, 20)):
                options = {"failed": True} if slow_s is None else {"slow_s": slow_s}
                go = WSGIMiddleware(app, directory=folder, **options).service.sampler._go.split()
                assert go[0] == b"go" and go[2:5] == [b"256", str(old_ms * 1_000_000).encode(), b"5"]
                assert int(go[6], 16) == id(_queries.current) and (int(go[5]) > 0) == (watch is not _watched.Watch)
        _service.find_watch = found


def the_end_of_an_answer_keeps_no_request():
    """A server sets a timer for the connection then, in the context of the moment: no request is in that, however long the timer waits."""
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        last = {"type": "http.response.body", "body": b"two", "more_body": False} if scope["path"] == "/a" else {"type": "http.response.body"}
        await (send(last) if scope["path"] != "/task" else asyncio.ensure_future(later(send, last)))  # in a copy of the context

    async def later(send, message):
        await send(message)

    async def send(message):
        seen.append((message["type"][14:], contextvars.copy_context().get(_queries.current) is not None))

    async def ask_and_look(*asked):
        await ASGIMiddleware(app, **options)(*asked)
        return _queries.current.get()

    for watch in watches():
        found, _service.find_watch = _service.find_watch, lambda: watch
        for text, options in ((None, {"slow_s": 1}), (True, {"secret": SECRET})):
            for path in ("/a", "/b", "/task"):
                seen, headers = [], [(b"x-pyrometer-token", token(path).encode())] if text else []
                scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "client": None}
                assert asyncio.run(ask_and_look(scope, None, send)) is None, (watch, text, path)
                assert seen == [("start", True), ("body", True), ("body", path == "/task")], (watch, text, seen)
        _service.find_watch = found


def a_child_has_nothing_under_way():
    """Of what is under way in its parent."""
    gc.collect()  # services of situations before have no real sockets to close

    def app(environ, start_response):
        child = os.fork()
        if child == 0:
            os._exit(1 if any(middleware.service.under_way) else 0)
        assert any(middleware.service.under_way) and os.waitpid(child, 0)[1] == 0
        start_response("200 OK", [])
        return [b""]

    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o700)
        for told, options in ((False, {"slow_s": 1}), (True, {"secret": SECRET})):
            middleware = WSGIMiddleware(app, directory=folder, **options)
            middleware.service.sampler._retry_s = time.monotonic() + 60
            assert ask(middleware, told=told)[0][0][0] == "200 OK"


def more_at_a_time_than_slots():
    middleware = None

    def app(environ, start_response):
        depth = environ["depth"]
        if depth:
            ask(middleware, depth=depth - 1)
        start_response("200 OK", [])
        return [b""]

    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o700)
        middleware = WSGIMiddleware(app, secret=SECRET, directory=folder, recordings_per_s=1e6)
        for _ in range(2):
            limit = sys.getrecursionlimit()
            sys.setrecursionlimit(10000)
            seen, _ = ask(middleware, depth=300)
            sys.setrecursionlimit(limit)
            assert "X-Profile" in seen[0][1]
    counts = middleware.service.counts
    assert counts["no_slot"] == 2 * (301 - 256) and counts["kept"] == 602 and counts["errors"] == 1, counts
    assert middleware.service.sampler.state.startswith("cannot be started")
    assert middleware.service.sampler.state in web.stats()["sampler"]  # beside those of others that are not collected yet


def odd_names():
    """Nothing of a path breaks a header, a message or the page, and no header is longer than it may be."""
    path = "/a\r\nX-Evil: 1/\x00<script>" + "\u00e9" * 500

    def app(environ, start_response):
        code = "def f(c):\n for i in range(20): c.execute('SELECT 1', (i,))"
        space = {}
        exec(compile(code, "/srv/odd \r\n name \u00e9" + "x" * 2000 + ".py", "exec"), space)
        space["f"](Fake())
        Fake().execute('SELECT "<b>"', ())
        start_response("200 OK", [])
        return [b""]

    class Fake:
        def execute(self, sql, parameters):
            _queries._end(_queries._begin(sql, parameters, False))

    middleware = WSGIMiddleware(app, secret=SECRET, page="/page", when=lambda environ: True)
    seen, _ = ask(middleware, path=path.encode("utf-8").decode("latin-1"), told=False)
    for value in (seen[0][1]["X-Profile"], seen[0][1]["Server-Timing"]):
        assert len(value) <= 1000 and value.isascii() and value.isprintable(), value
    assert "n+1=" in seen[0][1]["X-Profile"]
    shown, _ = ask(middleware, path="/page")
    assert b"<script>" not in shown[1] and b"&lt;script&gt;" in shown[1] and b"\r" not in shown[1] and b"<td>n+1=" in shown[1]
    assert b"<summary>21</summary>" in shown[1] and b"<li>20 in 0." in shown[1] and b"<b>" not in shown[1]


def takers():
    """Who takes queries, of a request that somebody asked about, and of one that nobody did; and how they are had at last."""
    queries = _queries.Queries()
    yield queries, lambda: queries
    for watch in watches():
        watched = watch(0, False, lambda *args: None, _queries.current, _queries.Queries, SLOTLESS).wsgi(print, None)
        watched.over(False)
        yield watched, watched.queries


def queries_of_a_driver():
    for taker, queries in takers():
        before = _queries.current.set(taker)
        try:
            ask_a_database()
        finally:
            _queries.current.reset(before)
        check_the_queries(queries())


def ask_a_database():
    made = sqlite3.connect(":memory:")
    database = count_queries(made)
    database.row_factory = sqlite3.Row
    assert made.row_factory is sqlite3.Row
    with database as same:
        assert same is database
        cursor = same.cursor()
        assert cursor.execute("CREATE TABLE t (a, b)") is cursor
        cursor.executemany("INSERT INTO t VALUES (?, ?)", [(i, "hidden") for i in range(30)])
    for i in range(12):
        [row] = database.execute("SELECT b FROM t WHERE a = ? AND b = 'hidden'", (i,))  # each
        assert row["b"] == "hidden"
    for i in range(11):
        cursor.execute("SELECT b FROM t WHERE a = ?", (1,))  # same
    for i in range(40):
        cursor.execute("INSERT INTO t VALUES (?, 'hidden')", (i,))  # writes
    assert next(cursor.execute("SELECT count(*) FROM t"))[0] == 70
    try:
        cursor.execute("no SQL at all")
        raise AssertionError
    except sqlite3.OperationalError:
        pass
    try:
        cursor.execute(b"SELECT 1")
        raise AssertionError
    except (TypeError, ValueError):
        pass
    token = _queries.current.set(None)
    database.execute("SELECT 1")  # nobody asks
    _queries.current.reset(token)


def check_the_queries(queries):
    assert queries.count == 2 + 12 + 11 + 40 + 1 + 1 + 1 and 0 < queries.time_ns < 60e9 and queries.lost == 0
    lines = open(__file__).read().splitlines()
    found = {}
    for (shape, file, line), entry in queries.entries.items():
        assert file == __file__ and "hidden" not in shape, shape
        assert entry.time_ns > 0
        found[lines[line - 1].rpartition("# ")[2]] = (_queries._kind(shape, entry), entry.count)
    assert found["each"] == ("n+1", 12) and found["writes"] == ("writes", 40)
    told_apart = _queries._value_hash((1,)) is not None  # by a probe that can
    assert found["same"] == (("same" if told_apart else "n+1"), 11)
    assert sum(entry.many for entry in queries.entries.values()) == 1
    kind, _, line, count = queries.verdict()
    assert (kind, count) == ("writes", 40) and lines[line - 1].endswith("# writes")


def errors_of_ours_reach_no_query():
    """They are counted; the query returns what it would, or raises that."""
    class Failing:
        def begin(self, sql, parameters, many):
            if sql == "SELECT 1":
                raise KeyError("ours")

        def end(self, begun):
            raise KeyError("ours")

    database, before = count_queries(sqlite3.connect(":memory:")), web.stats()["query_errors"]
    token = _queries.current.set(Failing())
    assert list(database.execute("SELECT 1")) == [(1,)] and web.stats()["query_errors"] == before + 1
    assert list(database.execute("SELECT 2")) == [(2,)] and web.stats()["query_errors"] == before + 2
    try:
        database.execute("no SQL at all")
        raise AssertionError
    except sqlite3.OperationalError:
        assert web.stats()["query_errors"] == before + 3
    _queries.current.reset(token)


def queries_that_go_on_when_somebody_asks():
    """Those end, too, and what begins then is of the same request."""
    for taker, queries in takers():
        over, going_on = taker.begin("SELECT a FROM t", (1,), False), taker.begin("SELECT b FROM t", (2,), False)
        taker.end(over)
        found = queries()
        [first, second] = found.entries.values()
        took_ns = first.time_ns
        assert found.count == 2 and took_ns > 0 and second.time_ns == 0, (took_ns, second.time_ns)
        time.sleep(0.01)
        taker.end(going_on)
        assert 10_000_000 <= second.time_ns < 60e9 and found.time_ns == first.time_ns + second.time_ns
        taker.end(taker.begin("SELECT c FROM t", None, True))
        assert queries() is found and found.count == 3 and [entry.many for entry in found.entries.values()] == [0, 0, 1]


def queries_of_no_line():
    """The library's own code alone is on the stack, as in a thread of its own: they are counted all the same."""
    for taker, queries in takers():
        space = {"taker": taker}
        exec(compile("def f():\n for i in range(3): taker.end(taker.begin('SELECT 1', (i,), False))", os.path.join(os.path.dirname(json.__file__), "made.py"), "exec"), space)
        thread = threading.Thread(target=space["f"])
        thread.start()
        thread.join()
        [((shape, file, line), entry)] = queries().entries.items()
        assert (file, line, entry.count) == ("", 0, 3) and shape, (file, line, entry.count)


LIBRARY = """
class Order:
    pass

class Field:
    name, model = "customer", Order

class ForwardManyToOneDescriptor:
    field = Field()
    def __get__(self, instance, owner):
        instance.end(instance.begin("SELECT a FROM t WHERE b = ?", (1,), False))

class Other:
    __get__ = lambda self, instance, owner: instance.end(instance.begin("SELECT a FROM t WHERE b = ?", (1,), False))

class Without:
    class ForwardManyToOneDescriptor:
        def __get__():
            taker.end(taker.begin("SELECT a FROM t WHERE b = ?", (1,), False))

    def __get__(self, instance, owner):
        global taker
        taker = instance
        self.ForwardManyToOneDescriptor.__dict__["__get__"]()
"""


def what_is_loaded_lazily_is_no_query_again():
    """Where a library sends the same for many objects that refer to one, each query is for an object; as `findings` judges."""
    told_apart = _queries._value_hash((1,)) is not None  # by a probe that can
    space = {}
    exec(compile(LIBRARY, "/x/site-packages/django/db/models/fields/related_descriptors.py", "exec"), space)
    again = "same" if told_apart else "n+1"
    for name, expected in (("ForwardManyToOneDescriptor", "n+1"), ("Other", again), ("Without", again)):
        for taker, queries in takers():
            for _ in range(20):
                space[name]().__get__(taker, None)
            [((shape, file, line), entry)] = queries().entries.items()
            assert (file, entry.count, _queries._kind(shape, entry)) == (__file__, 20, expected), (name, entry.count, _queries._kind(shape, entry))
            assert entry.lazily == (("customer", "Order") if told_apart and expected == "n+1" else None), (name, entry.lazily)


def queries_are_written_for_their_recording():
    """A line each, whatever is in their names, and no more than there is room for; the numbers are those that were kept."""
    for taker, queries in takers():
        sent = "def sender():\n for at in range(3): taker.end(taker.begin('SELECT a FROM t WHERE b = ?', (at // 2,), False))\n taker.begin('SELECT c', None, True)"
        space = {"taker": taker}
        exec(compile(sent, "/srv/odd\tname\n.py", "exec"), space)
        space["sender"]()
        all_, first, second, *rest = queries().written().split("\n")
        assert all_ == "4" and rest == [""], rest
        numbers, function, file, sender, sender_file, relation, owner, shape = first.split("\t")
        assert (function, file, relation, owner) == ("sender", "/srv/odd name .py", "", ""), first
        count, timed, time_ns, longest_ns, distinct, unknown, many, first_ns, last_ns, line, first_line, _ = map(int, numbers.split())
        told_apart = _queries._value_hash((1,)) is not None
        assert (count, timed, many, line, first_line) == (3, 3, 0, 2, 1), first
        assert (distinct, unknown) == ((2, 0) if told_apart else (0, 3)), first
        assert 0 < longest_ns <= time_ns < 60e9 and 0 < first_ns <= last_ns <= time.monotonic_ns(), first
        assert second.split("\t")[0].split()[:7] == ["1", "0", "0", "0", "0", "1", "1"], second
    many = _queries.Queries()
    for at in range(100):
        many.end(many.begin(f"SELECT a FROM t{at}", (), False))
    lines = many.written().splitlines()
    assert lines[0] == "100" and len(lines) == 1 + _queries.WRITTEN_MAX
    for entry in many.entries.values():
        entry.time_ns = 1000
    room, long = _queries.WRITTEN_BYTES, "\u00e9"  # of two bytes
    many.entries[long * room, "/long.py", 1] = longer = _queries.Entry((None, 1, None, None), 1)
    many.entries[long * (room // 2 - 1000), "/short.py", 1] = shorter = _queries.Entry((None, 1, None, None), 1)
    longer.time_ns, shorter.time_ns = 3000, 2000
    text = many.written()  # the longest has no room, the next is whole, and of the others there are as many as have
    assert "/long.py" not in text and "\t" + long * (room // 2 - 1000) + "\n" in text and 2 < len(text.splitlines()) < _queries.WRITTEN_MAX
    assert room - 200 < len(text.encode()) < room + 10


def queries_that_have_no_room_are_left_out_of_the_message():
    """A sampler that is behind has little room: the request is kept, and has no queries."""
    class Narrow:
        sent = []

        def send(self, message, flags):
            if len(message) > 2000:
                raise BlockingIOError
            self.sent.append(message)

        def recv(self, size):
            raise BlockingIOError

    with tempfile.TemporaryDirectory() as folder:
        sampler = _sampler.Sampler(folder, 100, 1, 1, print, print, "")
        sampler.socket, sampler.state = Narrow(), "ready 1"
        assert sampler.cut("a", 1, 2, 3, "GET /", False, "1\nshort\n") and sampler.cut("b", 1, 2, 3, "GET /", False, "1\n" + "long" * 1000)
        assert sampler.socket.sent == [b"cut 1 2 3 a GET /\n1\nshort\n", b"cut 1 2 3 b GET /"]
        assert sampler.cut("c", 1, 2, 3, "GET /" + "x" * 3000, False) and len(sampler.socket.sent[-1]) == _sampler.HEAD_MAX


def the_parameters_of_a_query_are_not_kept():
    class Kept(list):
        pass

    for taker, queries in takers():
        parameters = Kept([1])
        taker.end(taker.begin("SELECT ?", (parameters,), False))
        gone = weakref.ref(parameters)
        del parameters
        gc.collect()
        assert gone() is None and queries().count == 1


def queries_hold_nothing_when_their_request_is_over():
    list(takers())  # the first one proves the layout of frames, by one that then has its variables twice
    code, text = queries_hold_nothing_when_their_request_is_over.__code__, "".join(["SELECT a", " FROM t"])
    for count in (3, 40):
        for watch in watches():
            for is_asked in (False, True):
                before = sys.getrefcount(code), sys.getrefcount(text)
                watched = watch(0, False, lambda *args: None, _queries.current, _queries.Queries, SLOTLESS).wsgi(print, None)
                watched.over(False)
                for _ in range(count):
                    watched.end(watched.begin(text, (1,), False))
                assert not is_asked or watched.queries().count == count
                del watched
                gc.collect()
                assert (sys.getrefcount(code), sys.getrefcount(text)) == before, (count, watch, is_asked)


def asgi_is_kept_to():
    sent = []

    async def send(message):
        sent.append(message)

    async def app(scope, receive, send):
        if scope["type"] != "http":
            assert send is sent_by_server
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    sent_by_server = send
    scope = {"type": "http", "method": "GET", "path": "/a", "headers": [(b"x-pyrometer-token", token("/a").encode())], "client": None}
    asyncio.run(ASGIMiddleware(app, secret=SECRET)(scope, None, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body", "http.response.body"]
    headers = dict(sent[0]["headers"])
    assert headers[b"a"] == b"b" and b"x-profile" in headers and sent[1]["more_body"]
    for kind in ("websocket", "lifespan"):
        asyncio.run(ASGIMiddleware(app, secret=SECRET, slow_s=0)({"type": kind}, None, send))

    async def fails(scope, receive, send):
        raise KeyError("mine")

    middleware = ASGIMiddleware(fails, failed=True)
    for _ in range(300):
        try:
            asyncio.run(middleware({**scope, "headers": []}, None, send))
            raise AssertionError
        except KeyError:
            pass
    assert middleware.service.counts["kept"] == 300


def tokens_to_the_second():
    """Each part of a token is needed, and its time is kept to exactly."""
    secret, now = b"0123456789abcdef", 1_800_000_000

    def made(expires, path=b"/orders", key=secret, version="1"):
        mac = hmac.new(key, b"pyrometer profile 1\n%d\n%s" % (expires, path), hashlib.sha256).hexdigest()
        return "{}.{}.{}".format(version, expires, mac)

    tokens = _tokens.Tokens(secret)

    def refused(text, path=b"/orders", at=now):
        why = _tokens.refusal(secret, text, path, at)
        assert tokens.refusal(text, path, at) == tokens.refusal(text, path, at) == why, (text, path, at)
        return why

    good = made(now + 60)
    assert refused(good) is None and refused(good, at=now + 59.999) is None
    assert refused(good, at=now + 60) == refused(good, at=now + 61) == "expired"
    ahead = 86_400 + 300
    assert refused(made(now + ahead)) is None and refused(made(now + ahead + 1)) == "expired"
    for path in (b"/order", b"/orders/", b"/Orders", b"/orders\n", b""):
        assert refused(good, path) == "forged, or for another path", path
    for at in range(len(good) - 64, len(good)):  # no digit of the signature may be another
        other = "0" if good[at] != "0" else "1"
        assert refused(good[:at] + other + good[at + 1 :]) == "forged, or for another path", at
    later = good.replace(str(now + 60), str(now + 61))
    assert refused(later) == refused(made(now + 60, key=secret + b"x")) == "forged, or for another path"
    for text in (made(now + 60, version="2"), good[:-1], good + "0", good + "\n", " " + good, good.upper(), ""):
        assert refused(text) == "malformed", text
    for at in range(2 * _tokens.GOOD_MAX):
        assert refused(made(now + 60 + at)) is None and 0 < len(tokens._good) <= _tokens.GOOD_MAX
    assert refused("1" * 128) == "malformed" and refused("1" * 129) == "oversized"
    for size, accepted in ((15, False), (16, True), (4095, True), (4096, False)):
        try:
            assert len(_tokens.checked_secret(b"x" * size)) == size and accepted, size
        except ValueError:
            assert not accepted, size


class Cuts:
    """In place of the sampler: what it is told, and which slots were free then."""

    socket, state = True, "ready"

    def __init__(self):
        self.told, self.slots = [], None

    def cut(self, id_, slot, begin_ns, end_ns, title, wanted, sent):
        self.told.append((slot, begin_ns, end_ns, slot in self.slots.free))

    def wait(self, id_, seconds=0):
        return None

    answer = wait

    def give_up(self, id_):
        pass

    forget = poll = lambda self: None


def watched_by(middleware):
    middleware.service.sampler = cuts = Cuts()
    cuts.slots = middleware.service.slots
    return cuts


def named_callers():
    """The numbers of the requests' functions that are on the stack, the nearest first."""
    frame, found = sys._getframe(1), []
    while frame is not None:
        name = frame.f_code.co_name
        if name.startswith("pyrometer_request_"):
            assert frame.f_code.co_filename == _slots.__file__
            assert getattr(frame.f_code, "co_qualname", name) == name
            found.append(int(name[len("pyrometer_request_") :]))
        frame = frame.f_back
    return found


def a_request_has_its_name_from_its_begin_to_its_end():
    """What the sampler is told of a request holds the time in which its function was on the stack, and its slot is not yet another's."""
    inside = []

    def note():
        inside.append((named_callers(), time.monotonic_ns()))

    def app(environ, start_response):
        note()
        start_response(environ.get("status", "200 OK"), [])
        if "next" in environ:
            ask(middleware, told="tells" in environ)
        if "raises" in environ:
            raise KeyError("mine")
        note()
        return [b""]

    async def later(scope, receive, send):
        note()
        await asyncio.sleep(0)
        note()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        pass

    def both_ends(cuts):
        [(slot, begin_ns, end_ns, free)] = cuts.told
        names = {tuple(found) for found, _ in inside}
        assert names == {(slot,)} and not free, (names, slot, free)
        assert begin_ns <= inside[0][1] <= inside[-1][1] <= end_ns
        assert sorted(cuts.slots.free) == list(range(256))
        inside.clear()
        cuts.told.clear()

    middleware = WSGIMiddleware(app, secret=SECRET, slow_s=0, failed=True, recordings_per_s=1e6)
    cuts = watched_by(middleware)
    for told in (True, False):
        for _ in range(300):  # more than there are slots, one after the other
            ask(middleware, told=told)
            both_ends(cuts)
        ask(middleware, told=told, next="yes", **({"tells": "yes"} if told else {}))
        assert len({slot for slot, *_ in cuts.told}) == 2 and len(inside[1][0]) == 2 and inside[1][0][1] == inside[0][0][0]
        assert sorted(cuts.slots.free) == list(range(256))
        inside.clear()
        cuts.told.clear()
        try:
            ask(middleware, told=told, raises="yes")
            raise AssertionError
        except KeyError:
            both_ends(cuts)
    scope = {"type": "http", "method": "GET", "path": "/a", "headers": [], "client": None}
    middleware = ASGIMiddleware(later, slow_s=0, recordings_per_s=1e6)
    cuts = watched_by(middleware)
    for _ in range(300):
        asyncio.run(middleware(scope, None, send))
        both_ends(cuts)
    assert middleware.service.counts["errors"] == 0


SLOTLESS = array("Q")  # none of what is watched by hand has one


def watches():
    """What watches requests in C, where that fits, and what does so in its place."""
    return {_watched.Watch, _watched.find_watch()}


def a_forked_child_has_slots_of_its_own():
    """A request that forks ends twice; each number is there once in both processes."""
    def app(environ, start_response):
        start_response("200 OK", [])
        environ["child"].append(os.fork())
        return [b""]

    for options in ({"slow_s": 0}, {"secret": SECRET}):
        middleware, child = WSGIMiddleware(app, **options), []
        cuts = watched_by(middleware)
        ask(middleware, told="secret" in options, child=child)
        whole = sorted(middleware.service.slots.free) == list(range(256)) and middleware.service.counts["errors"] == 0
        if child[0] == 0:
            os._exit(0 if whole else 1)
        assert whole and os.waitpid(child[0], 0)[1] == 0 and cuts.told, options


def only_who_is_slow_is_kept():
    """To the nanosecond: `slow_s` itself is slow."""
    for watch in watches():
        kept = []
        slow = watch(50_000_000, False, lambda watched, ended_ns, status: kept.append(ended_ns - watched.began_ns), _queries.current, _queries.Queries, SLOTLESS)
        for takes_ns in (49_999_999, 50_000_000, 50_000_001, 0):
            watched = slow.wsgi(print, None)
            watched.over(False, watched.began_ns + takes_ns)
        assert kept == [50_000_000, 50_000_001], watch

    clock = [0]

    def app(environ, start_response):
        clock[0] += environ["takes_ns"]
        start_response("200 OK", [])
        return [b""]

    real, found = _watched.monotonic_ns, _service.find_watch
    _watched.monotonic_ns, _service.find_watch = lambda: clock[0], lambda: _watched.Watch
    try:
        middleware = WSGIMiddleware(app, slow_s=0.05)
        for takes_ns, kept in ((49_999_999, 0), (50_000_000, 1), (50_000_001, 2), (0, 2)):
            ask(middleware, told=False, takes_ns=takes_ns)
            assert middleware.service.counts["kept"] == kept, takes_ns
    finally:
        _watched.monotonic_ns, _service.find_watch = real, found
    assert [kept.total_s for kept in middleware.service.recent] == [0.05, 0.050000001]


def only_who_failed_is_kept():
    """By what its answer began with, or if none did."""
    for watch in watches():
        kept, passed = [], []
        failed = watch(_watched.NEVER_NS, True, lambda watched, ended_ns, status: kept.append((watched.info, status)), _queries.current, _queries.Queries, SLOTLESS)
        for status in ("200 OK", "499 x", "500 x", "599", "999 x", "5", "", "50x y", "\u0665\u0660\u0660 x", b"500 x", None, "\ud800\ud800\ud800"):
            watched = failed.wsgi(lambda *given, **more: passed.append((given, more)), status)
            watched(status, [1], exc_info=None)
            watched.over(False)
            assert passed.pop() == ((status, [1]), {"exc_info": None})
        failed.wsgi(print, "raised").over(True)
        starts = [({"type": "http.response.start", "status": number}, True) for number in (500, 501, 599, 999)]
        for number in (0, 404, 499, 1000, 10**30, -500, "500", 500.0, None):
            starts.append(({"type": "http.response.start", "status": number}, False))
        for message, fails in [*starts, ({"type": "http.response.start"}, False)]:
            for odd in ({"type": "http.response.body"}, {"type": 7}, {}, [], None):
                watched = failed.asgi(passed.append, message)
                watched(odd)
                before = len(kept)
                watched(message)
                assert len(kept) - before == fails and passed == [odd, message], message
                watched({"type": "http.response.start", "status": 503})  # only the first counts
                watched.over(True)
                passed.clear()
        failed.asgi(print, "no answer").over(True)
        statuses = {str(info): status for info, status in kept}
        asgi = {str(message): message["status"] for message, fails in starts if fails}
        assert statuses == {"500 x": 500, "599": 599, "999 x": 999, "raised": 500, **asgi, "no answer": 500}, (watch, kept)


def a_header_is_found():
    """However a server holds headers: pairs in a list, a tuple or an iterator."""
    for watch in watches():
        for pairs, found in (
            ([(b"a", b"x"), (b"token", b"y"), (b"token", b"z")], b"y"), ([[b"token", b""]], b""),
            ([(b"Token", b"y"), (b"toke", b""), (b"tokens", b"")], None), ([(b"x", b"token"), ("token", b"")], None), ([], None),
            (((b"token", b"1"),), b"1"), (iter([(b"a", b""), (b"token", b"")]), b""),
        ):  # fmt: skip
            assert watch.header(pairs, b"token") == found, (watch, pairs)


def what_is_watched_goes_on():
    """Whatever keep() or the program does: what is returned or raised, and what was watched before, is as without us."""
    def broken(*args):
        raise KeyError("ours")

    def ends(*args):  # as a signal's handler does that happens to be called there
        raise SystemExit

    for watch in watches():
        all_of = watch(0, False, ends, _queries.current, _queries.Queries, SLOTLESS)
        for end in (lambda watched: watched.over(False), lambda watched: watched.answers(), lambda watched: watched({"type": "http.response.start"})):
            watched = all_of.asgi(print, None)
            try:
                end(watched)
                raise AssertionError(watch)
            except SystemExit:
                watched.over(False)
            assert _queries.current.get() is None

    unraisable, sys.unraisablehook = sys.unraisablehook, lambda report: None
    try:
        for watch in watches() - {_watched.Watch}:  # in its place, keep() sees to that itself
            watched = watch(0, False, broken, _queries.current, _queries.Queries, SLOTLESS).wsgi(print, None)
            watched.over(False)
    finally:
        sys.unraisablehook = unraisable
    for watch in watches():
        made = []

        class Made(_queries.Queries):
            def __init__(self):
                super().__init__()
                made.append(self)

        all_of = watch(0, False, lambda *args: None, _queries.current, Made, SLOTLESS)
        outer = all_of.wsgi(lambda *args: args, None)
        inner = all_of.wsgi(broken, None)
        assert _queries.current.get() is inner
        try:
            inner("200 OK", [])
            raise AssertionError
        except KeyError as error:
            assert error.args == ("ours",)
        inner.over(False)
        assert _queries.current.get() is outer and outer("200 OK", []) == ("200 OK", [])
        contextvars.copy_context().run(outer.over, False)  # elsewhere: nothing to put back
        _queries.current.set(None)
        assert made == []
        assert outer.queries() is made[0] is outer.queries() and len(made) == 1
        for odd in ((), (1,), (1, 2, None, 4)):
            try:
                all_of.wsgi(*odd)
                raise AssertionError(odd)
            except TypeError:
                pass

        class Kept:  # by a callable that its own request holds
            def __call__(self, *args):
                pass

        start = Kept()
        start.request = all_of.wsgi(start, start)
        start.request.over(False)
        gone = weakref.ref(start)
        del start
        gc.collect()
        assert gone() is None, watch


def a_sampler_may_look():
    """Where Yama guards memory, the process says by prctl who may read it: before the sampler begins, and the sampler alone."""
    calls = []

    class Library:
        @staticmethod
        def prctl(option, pid, *zeros):
            calls.append((option, pid.value, zeros))

    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "program")
        with open(program, "w") as file:
            file.write("#!/bin/sh\nexec " + sys.executable + " -c 'import os, socket\n")
            file.write("s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=0)\n")
            file.write('if os.fork(): os._exit(0)\nos.close(2)\ns.send(b"here %d" % os.getpid())\n')
            file.write('assert s.recv(99).startswith(b"go ")\ns.send(b"ready")\ns.recv(9)\n\'\n')
        os.chmod(program, stat.S_IRWXU)
        before, library = os.environ["PYROMETER_PROGRAM"], ctypes.CDLL
        os.environ["PYROMETER_PROGRAM"], ctypes.CDLL = program, lambda *args, **more: Library
        try:
            sampler = _sampler.Sampler(folder, 200, 1, 1, lambda answer: None, print, "0 0 0 1")
            sampler.start()
            until = time.monotonic() + 60
            while sampler.state != "ready":
                assert sampler.socket and time.monotonic() < until, sampler.state
                sampler.poll()
                time.sleep(0.01)
            [(option, pid, zeros)] = calls
            assert option == 0x59616D61 and zeros == (0, 0, 0)  # PR_SET_PTRACER of sys/prctl.h
            with open("/proc/{}/cmdline".format(pid)) as file:
                assert "SOCK_SEQPACKET" in file.read()
            sampler.forget()
        finally:
            os.environ["PYROMETER_PROGRAM"], ctypes.CDLL = before, library


def the_url_is_for_developers():
    """`?profile` needs all of: the option, DEBUG, an address that is let, and the word itself."""
    good = {"url": True, "debug": True, "internal_ips": ["10.0.0.1"]}
    for changed, address, query, told in (
        ({}, "10.0.0.1", "a=1&profile", True), ({}, "10.0.0.1", "profile=1", True), ({}, "10.0.0.1", "a=profile&profiles", False),
        ({}, "10.0.0.2", "profile", False), ({"url": False}, "10.0.0.1", "profile", False), ({"debug": False}, "10.0.0.1", "profile", False),
        ({"internal_ips": ()}, "10.0.0.1", "profile", False),
    ):  # fmt: skip
        seen, _ = ask(WSGIMiddleware(plain, **{**good, **changed}), told=False, QUERY_STRING=query, REMOTE_ADDR=address)
        assert ("X-Profile" in seen[0][1]) == told, (changed, address, query)


def the_url_is_for_developers_under_asgi():
    """The same of ASGI's scope, in which there may be neither a query nor a client."""
    good = {"url": True, "debug": True, "internal_ips": ["10.0.0.1"]}
    developer = {"client": ["10.0.0.1", 1234], "query_string": b"a=1&profile"}

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one"})

    for changed, more, told in (
        ({}, {}, True), ({}, {"query_string": b"profile=1"}, True), ({}, {"query_string": b"a=profile&profiles"}, False),
        ({}, {"query_string": b""}, False), ({}, {"query_string": b"profile=\xff"}, True), ({}, {"query_string": None}, False),
        ({}, {"client": ("10.0.0.2", 1234)}, False), ({}, {"client": None}, False),
        ({"url": False}, {}, False), ({"debug": False}, {}, False), ({"internal_ips": ()}, {}, False),
    ):  # fmt: skip
        sent = []

        async def send(message, sent=sent):
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/a", "headers": [], **developer, **more}
        if scope["query_string"] is None:
            del scope["query_string"]
        middleware = ASGIMiddleware(app, **{**good, **changed})
        asyncio.run(middleware(scope, None, send))
        headers = dict(sent[0]["headers"])
        assert (b"x-profile" in headers) == (b"server-timing" in headers) == told, (changed, more)
        assert middleware.service.counts == {**dict.fromkeys(middleware.service.counts, 0), "kept": int(told)}


def who_is_kept_out_is_told_why():
    """Linux lets nobody look into a process that gave up root; and what cannot be written is logged, once."""
    PR_SET_DUMPABLE, prctl, said = 4, ctypes.CDLL(None).prctl, []
    for dumpable, reason in ((0, "start the server as that user"), (1, "container")):
        sampler = _sampler.Sampler("/", 200, 1, 1, lambda answer: None, said.append, "0 0 0 1")
        sampler.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sampler.socket.setblocking(False)
        theirs.send(b"error cannot look into process 7: permission denied")
        before, _sampler.YAMA = _sampler.YAMA, os.devnull
        try:
            assert prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0) == 0
            sampler.poll()
        finally:
            prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
            _sampler.YAMA = before
        assert reason in sampler.state and said[-1].endswith(sampler.state), said
        theirs.close()
        sampler.forget()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o700)
        service, logged = WSGIMiddleware(plain, slow_s=0, directory=folder).service, []
        _service.log.addFilter(lambda record: logged.append(record.getMessage()))
        for name in "ab":
            service._answered({"id": name, "error": "cannot write '/a/" + name + "': permission denied"})
    assert len(logged) == 1 and folder in logged[0] and logged[0].endswith("permission denied"), logged


class FakeDjango:
    """As much of it as the middleware asks for."""

    class Response:
        def __init__(self, content=b"", status=200, headers=()):
            self.content, self.status_code, self.headers = content, status, dict(headers)

        def __setitem__(self, name, value):
            self.headers[name] = value

    class Request:
        method, path = "GET", "/a"

        def __init__(self, told=False, **meta):
            self.META = {"HTTP_X_PYROMETER_TOKEN": token(self.path)} if told else {}
            self.META.update(meta)

    def __init__(self, **settings):
        self.settings = types.SimpleNamespace(**{"DEBUG": False, "INTERNAL_IPS": [], **settings})
        self.made = types.SimpleNamespace(default=object())
        self.connection = types.SimpleNamespace(execute_wrappers=[])
        self.receivers = []

    def connect(self, receiver, dispatch_uid):
        self.receivers.append(receiver)

    def modules(self):
        class Connections(dict):
            _connections = self.made

        marked = set()
        return {
            "asgiref.sync": types.SimpleNamespace(
                iscoroutinefunction=lambda function: function in marked or asyncio.iscoroutinefunction(function), markcoroutinefunction=marked.add
            ),
            "django.conf": types.SimpleNamespace(settings=self.settings),
            "django.http": types.SimpleNamespace(HttpResponse=self.Response),
            "django.db": types.SimpleNamespace(connections=Connections(default=self.connection, unused=None)),
            "django.db.backends.signals": types.SimpleNamespace(connection_created=self),
        }  # fmt: skip


def both_of_django(view, seen, **settings):
    """Two functions that answer a request by a middleware, the one sync, the other async; and those middlewares."""
    from pyrometer.web import DjangoMiddleware

    django = FakeDjango(**settings)
    before = {name: sys.modules.get(name) for name in django.modules()}
    sys.modules.update(django.modules())

    async def later(request):
        await asyncio.sleep(0)
        return view(request)

    sync, asynchronous = DjangoMiddleware(view), DjangoMiddleware(later)
    seen.append(django)
    yield sync, sync
    yield asynchronous, lambda request: asyncio.run(asynchronous(request))
    for name, module in before.items():
        if module is None:
            del sys.modules[name]
        else:
            sys.modules[name] = module


def django_is_answered():
    """Who asks is told, who does not gets the very answer of the view; what is kept has its status and why."""
    made, inside, seen = [], [], []

    def view(request):
        inside.append(named_callers())
        if request.META.get("raises"):
            raise KeyError("mine")
        made.append(FakeDjango.Response(b"body", request.META.get("status", 200), {"A": "b"}))
        return made[-1]

    Request = FakeDjango.Request
    options = {"secret": SECRET, "slow_s": 3600, "failed": True, "page": "/a/page"}
    for middleware, answer in both_of_django(view, seen, PYROMETER=options):
        service = middleware.service
        cuts = watched_by(middleware)
        for status, fails in ((200, False), (404, False), (499, False), (500, True), (503, True), (599, True)):
            service.recent.clear()
            cuts.told.clear()
            assert answer(Request(status=status)) is made[-1] and made[-1].headers == {"A": "b"}
            assert [(kept.status, kept.why, kept.title) for kept in service.recent] == [(status, "failed", "GET /a")] * fails
            assert [free for *_, free in cuts.told] == [False] * fails and len(inside[-1]) == 1
            response = answer(Request(told=True, status=status))
            assert response is made[-1] and sorted(response.headers) == ["A", "Server-Timing", "X-Profile"]
            assert (service.recent[-1].status, service.recent[-1].why) == (status, "token")
            assert cuts.told[-1][0] == inside[-1][0] and not cuts.told[-1][3]
        for told in (True, False):
            service.recent.clear()
            for _ in range(300):  # no slot is lost
                try:
                    answer(Request(told=told, raises=True))
                    raise AssertionError
                except KeyError as error:
                    assert error.args == ("mine",)
            assert {(kept.status, kept.why) for kept in service.recent} == {(500, "token" if told else "failed")}
        assert sorted(service.slots.free) == list(range(256)) and _queries.current.get() is None
        answers = []
        for text in (token("/a/page"), token("/a"), None):
            request = Request()
            request.path = "/a/page"
            request.META = {} if text is None else {"HTTP_X_PYROMETER_TOKEN": text}
            answers.append(answer(request))
            made.append(None)
        assert b"Recent requests" in answers[0].content and answers[0].headers["Cache-Control"] == "no-store"
        assert answers[1:] == [made[-4], made[-2]] and answers[1].headers == {"A": "b"}
        assert service.counts["errors"] == 0 and service.counts["refused"] == 1, service.counted()
        assert service.requests == 12 + 600 + 2, service.counted()
    for options, why in (({"slow_s": 0}, "slow"), ({"share": 1.0}, "share")):
        for middleware, answer in both_of_django(view, seen, PYROMETER=options):
            assert answer(Request(status=201)).headers == {"A": "b"}
            [kept] = middleware.service.recent
            assert (kept.status, kept.why, kept.asked) == (201, why, False)
    for middleware, answer in both_of_django(view, seen, PYROMETER={}):
        assert answer(Request(told=True)).headers == {"A": "b"} and not middleware.service.recent and inside[-1] == []
    assert not seen[-1].receivers and not seen[-1].connection.execute_wrappers  # closed: nothing of Django's is touched


def django_is_asked():
    """By `when`, with Django's request; and by the URL, where settings and options allow it, all of them."""
    asked, seen = [], []

    def when(request):
        asked.append(request)
        return request.META.get("yes") and request.META["yes"] / request.META.get("by", 1)

    Request, view = FakeDjango.Request, lambda request: FakeDjango.Response()
    for middleware, answer in both_of_django(view, seen, PYROMETER={"when": when}):
        request = Request(yes=1)
        assert "X-Profile" in answer(request).headers and asked[-1] is request
        assert answer(Request()).headers == {} == answer(Request(yes=1, by=0)).headers
        assert middleware.service.counts["errors"] == 1 and middleware.service.requests == 3
    url = {"PYROMETER": {"url": True}, "DEBUG": True, "INTERNAL_IPS": ["10.0.0.1"]}
    for changed, told in (
        ({}, True), ({"DEBUG": False}, False), ({"INTERNAL_IPS": []}, False), ({"PYROMETER": {}}, False),
        ({"PYROMETER": {"url": True, "debug": False}}, False), ({"PYROMETER": {"url": True, "internal_ips": []}}, False),
    ):  # fmt: skip
        for middleware, answer in both_of_django(view, seen, **{**url, **changed}):
            assert ("X-Profile" in answer(Request(QUERY_STRING="profile", REMOTE_ADDR="10.0.0.1")).headers) == told, changed
            assert answer(Request(QUERY_STRING="", REMOTE_ADDR="10.0.0.1")).headers == {}


def queries_of_django():
    """Of connections that are there and of those that are made, each once; nothing of them is changed but counted."""
    def view(request):
        django = seen[-1]
        later = types.SimpleNamespace(execute_wrappers=[])
        for connection in (django.connection, later):
            for receiver in django.receivers:
                receiver(connection=connection, signal=None, sender=None)
        [wrapper] = django.connection.execute_wrappers
        assert later.execute_wrappers == [wrapper]
        execute = lambda *args: args  # noqa: E731
        for at in range(20):
            assert wrapper(execute, "SELECT 1 WHERE a = %s", (at,), False, "context") == ("SELECT 1 WHERE a = %s", (at,), False, "context")
        return FakeDjango.Response()

    seen = []
    for middleware, answer in both_of_django(view, seen, PYROMETER={"secret": SECRET, "slow_s": 0}):
        assert len(seen[-1].connection.execute_wrappers) == 1
        told = answer(FakeDjango.Request(told=True)).headers["X-Profile"]
        assert "sql=20/" in told and "n+1=web_situations.py:" in told and "x20" in told, told
        assert answer(FakeDjango.Request()).headers == {}
        assert [(kept.queries, kept.repeated.startswith("n+1=web_situations.py:")) for kept in middleware.service.recent] == [(20, True)] * 2


def the_page_is_for_who_may_see_it():
    """To everybody else it is a path of the program's."""
    sent = []

    async def later(scope, receive, send):
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"none"})

    async def send(message):
        sent.append(message)

    wsgi, asgi = (kind(app, secret=SECRET, page="/page") for kind, app in ((WSGIMiddleware, plain), (ASGIMiddleware, later)))
    for text, shown in ((token("/page"), True), (token("/a"), False), (None, False)):
        seen, _ = ask(wsgi, path="/page", told=False, **({} if text is None else {"HTTP_X_PYROMETER_TOKEN": text}))
        assert (b"Recent requests" in seen[1]) == shown and ("no-store" in seen[0][1].values()) == shown
        headers = [] if text is None else [(b"x-pyrometer-token", text.encode())]
        asyncio.run(asgi({"type": "http", "method": "GET", "path": "/page", "headers": headers, "client": None}, None, send))
        assert (b"Recent requests" in sent[-1]["body"]) == shown and sent[-2]["status"] == (200 if shown else 404)
    assert [app.service.counts["refused"] for app in (wsgi, asgi)] == [1, 1] and [app.service.requests for app in (wsgi, asgi)] == [2, 2]


def the_page_hands_out_recordings():
    """By their ids alone, of this process and of others that have the same folder."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o700)
        app = WSGIMiddleware(plain, secret=SECRET, when=lambda environ: True, page="/page", directory=folder)
        app.service.sampler._retry_s = time.monotonic() + 60
        ask(app, told=False)
        own, other, secret = app.service.recent[0], "20261128-000000-000000-abcd", os.path.join(folder, "secret.pyro")
        own.answer = {"recording": True}
        for path, text in ((secret, b"no"), (f"{folder}/{own.id}.pyro", b"own"), (f"{folder}/{other}.pyro", b"other")):
            with open(path, "wb") as file:
                file.write(text)
        def page(query):
            (status, headers, _), body = ask(app, path="/page", told=False, QUERY_STRING=query)[0]
            assert headers["Cache-Control"] == "no-store" and (status == "200 OK") == (b"no such" not in body)
            return body

        shown = page("profile").decode()
        for id_, text in ((own.id, b"own"), (other, b"other")):
            assert shown.count(f'<a href="?profile=&amp;recording={id_}">') == 1, shown
            assert page(f"profile=&recording={id_}") == text
        inside = os.path.basename(folder)
        for odd in (f"../{inside}/secret", "secret", f"{folder}/secret", other + "/../secret", "20261128-000000-000000-ffff", f"%2e%2e%2f{inside}/secret"):
            assert b"no such recording" in page(f"recording={odd}"), odd


def wrong_options():
    for mode in (0o720, 0o702):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, mode)
            try:
                WSGIMiddleware(plain, directory=folder)
            except ValueError as error:
                assert "chmod 700" in str(error)
                continue
            raise AssertionError(oct(mode))
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        for wrong in (
            {"secret": "short"}, {"secret": SECRET, "secret_file": "x"}, {"share": 2}, {"slow_s": -1}, {"keep": 0},
            {"rate_hz": 0}, {"recordings_per_s": 0}, {"directory": folder},
        ):  # fmt: skip
            try:
                WSGIMiddleware(plain, **wrong)
            except ValueError:
                continue
            raise AssertionError(wrong)


def a_missing_secret_says_how_to_make_one():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "secret")
        for expected in (FileNotFoundError, ValueError):
            try:
                WSGIMiddleware(plain, secret_file=path)
            except expected as error:
                assert f"make one: head -c 32 /dev/urandom | base64 > {path}" in str(error), error
                assert isinstance(error, ValueError) or error.filename == path
            else:
                raise AssertionError(expected)
            with open(path, "w") as file:
                file.write("short")


for situation in sys.argv[1:]:
    globals()[situation]()
print("ok")
