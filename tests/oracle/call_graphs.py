"""Programs with random call graphs that count their own calls, edge by edge.

make_program() writes a program from a seed. It has functions, methods, generators, coroutines, callbacks and so on that
call each other at random until their fuel is used up, from several threads, tasks and greenlets. Every function counts,
in its own body, who called it; where a body cannot (a lambda, a comprehension) and where C functions are called, the
caller counts. Nothing is called for that, so counting does not change what is counted: X, which is handed down, is
[edges of this thread, fuel, state of the random numbers], and `X[0][who, "#5#"] += 1` notes one call of mark #5#.

At its end the program looks up which code object has which mark and writes

    {"functions": [[file, qualified name, line], ...], "edges": [[caller, callee, count], ...]}

where a caller or callee is an index into functions, or a text: "<root>", or the name of a C function as in tables.
Functions that are not listed (those of the frame around it, of libraries) may be callers by name only.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

ROOT = "<root>"

HEAD = '''
import asyncio, collections, functools, json, operator, re, sqlite3, sys, threading, _thread
from time import perf_counter
try:
    import greenlet
except ImportError:
    greenlet = None
MINOR = sys.version_info[1]
TYPES = MINOR >= 12  # type constructors and other objects of C than functions are seen
PATTERN = re.compile("a")
CURSORS = [sqlite3.connect(":memory:").execute("select 1 union select 2")]
ALL = []  # edges of all contexts
EXTERNAL = {}  # mark -> [file, qualified name, line]
sys.setrecursionlimit(10000)
sys.setswitchinterval(1e-4)

def context(seed, fuel=0):
    ALL.append(collections.defaultdict(int))
    return [ALL[-1], fuel, seed, None]

MAIN = context(1)
'''

TAIL = '''
def find_codes(code, found):
    found[code.co_name, code.co_firstlineno] = [code.co_filename, code.co_qualname, code.co_firstlineno]
    for constant in code.co_consts:
        if hasattr(constant, "co_consts"):
            find_codes(constant, found)

def write():
    codes = {}
    find_codes(sys._getframe(1).f_code, codes)
    places = {mark: codes[place] for mark, place in PLACES.items() if place in codes}
    places.update(EXTERNAL)
    order = {mark: index for index, mark in enumerate(places)}
    total = collections.Counter()
    for edges in ALL:
        for (caller, callee), count in edges.items():
            total[order.get(caller, caller), order.get(callee, callee)] += count
    with open(sys.argv[1], "w") as file:
        json.dump({"functions": list(places.values()), "greenlet": greenlet is not None,
                   "edges": [[*edge, count] for edge, count in total.items() if count]}, file)

write()
'''

# <mark:name> at the end of a line: the code object NAME that begins on this line has that mark.
PLACE = re.compile(r" *<(#[\w-]+#):([^:]+)>$")

# Functions of C and the table that a call site chooses from: name in tables, callable, two arguments.
PAIRS = [
    ("{built-in method builtins.divmod}", "divmod", "7", "3"),
    ("{built-in method builtins.pow}", "pow", "2", "5"),
    ("{built-in method builtins.isinstance}", "isinstance", "X", "list"),
    ("{built-in method builtins.getattr}", "getattr", "X", "'append'"),
    ("{method 'get' of 'dict' objects}", "{1: 2}.get", "1", "None"),
    ("{built-in method _operator.add}", "operator.add", "1", "2"),
    ("{class 'complex'}", "complex", "1", "2"),
    ("{class 'slice'}", "slice", "1", "2"),
]


def seen(name: str) -> str:
    """A condition of the program: is this object of C seen by the probe of its Python?"""
    return "TYPES" if name.startswith("{class ") or name.endswith(" object}") else "True"


class Program:
    """Collects lines; marks are made by need."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.marks = 0
        self.places: dict[str, tuple[str, int]] = {}  # mark -> name of the code, its first line
        self.names: dict[str, list[str]] = {}  # kind of function -> names
        self.numbers = 0

    def mark(self) -> str:
        """As it stands in the program, quoted; place() for the line where its code begins."""
        self.marks += 1
        return f'"#{self.marks}#"'

    @staticmethod
    def place(mark: str, name: str) -> str:
        return f" <{mark[1:-1]}:{name}>"

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def add(self, indent: int, text: str) -> None:
        for line in text.strip("\n").split("\n"):
            place = PLACE.search(line)
            if place:
                self.places[place[1]] = (place[2], len(self.lines) + 1)
            self.lines.append("    " * indent + PLACE.sub("", line))

    def some(self, kind: str) -> str:
        return self.random.choice(self.names[kind])


def c_call(program: Program, indent: int, me: str, name: str) -> None:
    condition = seen(name)
    prefix = "" if condition == "True" else f"if {condition}: "
    program.add(indent, f'{prefix}X[0][{me}, "{name}"] += 1')


# -- statements: each is called with the mark of the function it stands in --------------------------


def direct(program: Program, indent: int, me: str) -> None:
    program.add(indent, f"{program.some('function')}(X, {me})")


def raising(program: Program, indent: int, me: str) -> None:
    program.add(indent, f"try:\n    {program.some('thrower')}(X, {me})\nexcept ValueError:\n    pass")


def alternating(program: Program, indent: int, me: str) -> None:
    """One call instruction for Python functions and C functions, in random order."""
    chosen = program.random.sample(PAIRS, 3)
    rows = [f'("{name}" if {seen(name)} else None, {call}, {one}, {other})' for name, call, one, other in chosen]
    rows += [f"(None, {program.some('function')}, X, {me})" for _ in range(2)]
    program.add(
        indent,
        f"""
for _ in range(3):
    X[2] = X[2] * 1103515245 + 12345 & 0x7fffffff
    name, call, one, other = ({", ".join(rows)})[(X[2] >> 8) % 5]
    if name: X[0][{me}, name] += 1
    call({program.random.choice(["one, other", "*(one, other)"])})
""",
    )
    c_call(program, indent, me, "{class 'range'}")


def c_functions(program: Program, indent: int, me: str) -> None:
    """Several ways to call one method of C: bound, unbound, through an instance of a subclass."""
    for name, text in program.random.sample(
        [
            ("{built-in method builtins.len}", "len(X)"),
            ("{method 'append' of 'list' objects}", "[].append(X)"),
            ("{method 'append' of 'list' objects}", "list.append([], X)"),
            ("{method 'append' of 'list' objects}", f"Sub().append((X, {me}))"),
            ("{method 'get' of 'dict' objects}", "{}.get(1)"),
            ("{method 'join' of 'str' objects}", "''.join(('a', 'b'))"),
            ("{class 'int'}", "int('3')"),
            ("{class 'dict'}", "dict(a=1)"),
            ("{class 'ValueError'}", "ValueError(1)"),
            ("{method 'fetchone' of 'sqlite3.Cursor' objects}", "CURSORS[0].fetchone()"),
            ("{built-in method time.perf_counter}", "perf_counter()"),
            ("{built-in method fromkeys}", "dict.fromkeys('ab')"),
        ],
        3,
    ):
        if "sqlite3" in name:  # a cursor belongs to the thread that made it
            program.add(indent, "if X[0] is ALL[0]:")
            c_call(program, indent + 1, me, name)
            program.add(indent + 1, text)
            continue
        if not text.startswith("Sub"):
            c_call(program, indent, me, name)
        program.add(indent, text)


def callbacks(program: Program, indent: int, me: str) -> None:
    function, made, n = program.some("function"), program.mark(), program.random.randint(1, 4)
    items, place = str(tuple(range(n))), program.place(made, "<lambda>")
    call = f"lambda x: {function}(X, {made}) or x"
    program.add(indent, f"X[0][{me}, {made}] += {n}")
    way = program.random.choice(["sorted", "map", "filter", "max", "sub", "partial", "reduce", "lru", "closure"])
    if way in ("sorted", "max"):
        c_call(program, indent, me, f"{{built-in method builtins.{way}}}")
        program.add(indent, f"{way}({items}, key={call}){place}")
    elif way in ("map", "filter"):
        c_call(program, indent, me, f"{{class '{way}'}}")
        c_call(program, indent, me, "{class 'list'}")
        program.add(indent, f"list({way}({call}, {items})){place}")
    elif way == "sub":
        c_call(program, indent, me, "{method 'sub' of 're.Pattern' objects}")
        program.add(indent, f"PATTERN.sub(lambda m: {function}(X, {made}) and '' or '', '{'a' * n}'){place}")
    elif way == "partial":
        c_call(program, indent, me, "{class 'functools.partial'}")
        program.add(indent, f"part = functools.partial({call}, 3){place}\nfor _ in {items}:")
        c_call(program, indent + 1, me, "{functools.partial object}")
        program.add(indent + 1, "part()")
    elif way == "reduce":
        c_call(program, indent, me, "{built-in method _functools.reduce}")
        program.add(indent, f"functools.reduce(lambda a, x: {function}(X, {made}) or x, {items}, 0){place}")
    elif way == "lru":
        program.add(indent, f"cached = functools.lru_cache(None)({call}){place}\nfor x in {2 * tuple(range(n))}:")
        c_call(program, indent + 1, me, "{functools._lru_cache_wrapper object}")
        program.add(indent + 1, "cached(x)")
    else:
        program.add(indent, f"made = {call}{place}\nfor x in {items}: made(x)")


def comprehension(program: Program, indent: int, me: str) -> None:
    """A frame of its own only before 3.12; a generator expression has one always."""
    function, made = program.some("function"), program.mark()
    if program.random.random() < 0.5:
        left, right, name = program.random.choice([("[", "]", "<listcomp>"), ("{", "}", "<setcomp>")])
        program.add(indent, f"if MINOR < 12: X[0][{me}, {made}] += 1")
        loop = f"for _ in (0, 1, 2){right}{program.place(made, name)}"
        program.add(indent, f"{left}{function}(X, {made} if MINOR < 12 else {me}) {loop}")
        return
    c_call(program, indent, me, "{built-in method builtins.sum}")
    program.add(indent, f"X[0][{me}, {made}] += 1")
    program.add(indent, f"sum({function}(X, {made}) for _ in (0, 1)){program.place(made, '<genexpr>')}")


def generator(program: Program, indent: int, me: str) -> None:
    """Whoever resumes it first is its caller: the cell says who that is."""
    name, way = program.some("generator"), program.random.randrange(6)
    program.add(indent, f"cell = [{me}]\nmade = {name}(X, cell)")
    if way == 0:
        program.add(indent, "for _ in made: pass")
    elif way == 1:
        c_call(program, indent, me, "{built-in method builtins.next}")
        program.add(indent, "next(made)")
        c_call(program, indent, me, "{method 'close' of 'generator' objects}")
        program.add(indent, "made.close()")
    elif way == 2:  # begun elsewhere
        program.add(indent, f"consume(X, {me}, made, cell)\ncell[0] = {me}\nfor _ in made: pass")
    elif way == 3:  # an exception thrown into it, which it catches and goes on; or before it began
        if program.random.random() < 0.6:
            c_call(program, indent, me, "{built-in method builtins.next}")
            program.add(indent, "next(made)")
        c_call(program, indent, me, "{method 'throw' of 'generator' objects}")
        program.add(indent, "try: made.throw(KeyError)\nexcept (KeyError, StopIteration): pass\nfor _ in made: pass")
    elif way == 4:
        c_call(program, indent, me, "{method 'send' of 'generator' objects}")
        program.add(indent, "made.send(None)")
        c_call(program, indent, me, "{method 'send' of 'generator' objects}")
        program.add(indent, "try: made.send(1)\nexcept StopIteration: pass\ndel made")
    else:
        c_call(program, indent, me, "{method 'close' of 'generator' objects}")
        program.add(indent, "made.close()")


def objects(program: Program, indent: int, me: str) -> None:
    """Everything that the interpreter calls without a call being written."""
    name = program.some("class")
    uses = [
        ("o.plain(X, {me})", None),
        ("{name}.static(X, {me}); o.static(X, {me}); o.of_class(X, {me})", None),
        ("o.prop; o.prop = 1", None),
        ("o.described", None),
        ("o.not_there", None),
        ("o(X, {me})", None),
        ("o[1]; o + 1; o == 2; 2 == o", None),
        ("with o: {function}(X, {me})", None),
        ("with o:\n    try: {thrower}(X, {me})\n    except ValueError: pass", None),
        ("for _ in o: pass", None),
        ("len(o)", "{built-in method builtins.len}"),
        ("repr(o)", "{built-in method builtins.repr}"),
        ("str(o)", "{class 'str'}"),
        ("{{o: 1}}", None),
        ("hash(o)", "{built-in method builtins.hash}"),
        ("call = o.plain; call(X, {me}); call(X, {me}); del call", None),
    ]
    program.add(indent, f"o = {name}(X, {me})")
    for text, c_name in program.random.sample(uses, 4):
        if c_name:
            c_call(program, indent, me, c_name)
        program.add(
            indent,
            text.format(name=name, me=me, function=program.some("function"), thrower=program.some("thrower")),
        )
    program.add(indent, f"o.who = {me}\ndel o")


def metaclass(program: Program, indent: int, me: str) -> None:
    """A class made at run time: its body, the metaclass, the hooks; then an instance by the metaclass's __call__."""
    body, name = program.mark(), f"Made{program.number()}"
    c_call(program, indent, me, "{built-in method builtins.__build_class__}")
    program.add(
        indent,
        f"""
class {name}(Base, metaclass=Meta, X=X, who={me}):{program.place(body, name)}
    X[0][{me}, {body}] += 1
    member = Named(X, {body})
    {program.some("function")}(X, {body})
{name}(X, {me})
""",
    )


def decorated(program: Program, indent: int, me: str) -> None:
    inner = program.mark()
    program.add(
        indent,
        f"""
@decorate(X, {me}){program.place(inner, "inner")}
def inner(X, who):
    X[0][who, {inner}] += 1
    {program.some("function")}(X, {inner})
X[0][{me}, "#apply#"] += 1
inner(X, {me})
""",
    )


def pause(program: Program, indent: int, me: str) -> None:
    program.add(indent, f"pause(X, {me})")


def executed(program: Program, indent: int, me: str) -> None:
    """Code that is compiled, run and dropped; the same again keeps its identity."""
    number, module, function = program.number(), program.mark(), program.mark()
    file = program.random.choice([f"<made {number}>", "again"])
    source = f"""X[0][who, {module}] += 1
def again(X, who):
    X[0][who, {function}] += 1
    CALLEE(X, {function})
again(X, {module})
"""
    line = program.number() * 10
    program.add(
        indent,
        f"""
EXTERNAL[{module}] = [{file!r}, "<module>", 1]
EXTERNAL[{function}] = [{file!r}, "again", {line + 2}]
SOURCE = {chr(10) * line + source!r}
""",
    )
    for name in ("compile", "exec"):
        c_call(program, indent, me, f"{{built-in method builtins.{name}}}")
    program.add(
        indent,
        f'exec(compile(SOURCE, {file!r}, "exec"), {{"X": X, "who": {me}, "CALLEE": {program.some("function")}}})',
    )


STATEMENTS: list[Callable[[Program, int, str], None]] = [
    direct,
    direct,
    raising,
    alternating,
    c_functions,
    c_functions,
    callbacks,
    callbacks,
    comprehension,
    generator,
    generator,
    objects,
    metaclass,
    decorated,
    pause,
    executed,
]

# -- functions --------------------------------------------------------------------------------------


def statements(program: Program, indent: int, me: str, count: int, out: str = "return 0") -> None:
    """Some statements; without fuel none."""
    program.add(indent, f"X[1] -= 1\nif X[1] < 0: {out}")
    for _ in range(count):
        program.random.choice(STATEMENTS)(program, indent, me)


def begin(program: Program, indent: int, name: str, parameters: str, who: str = "who", prefix: str = "def") -> str:
    me = program.mark()
    program.add(indent, f"{prefix} {name}({parameters}):{program.place(me, name)}")
    program.add(indent + 1, f"X[0][{who}, {me}] += 1")
    return me


def function(program: Program, name: str) -> None:
    me = begin(program, 0, name, "X, who")
    statements(program, 1, me, program.random.randint(2, 4))
    if program.random.random() < 0.5:  # into itself
        program.add(1, f"{name}(X, {me})")
    program.add(1, "return 0")


def thrower(program: Program, name: str) -> None:
    me = begin(program, 0, name, "X, who")
    statements(program, 1, me, 1, "raise ValueError")
    program.add(1, f"{program.some('thrower')}(X, {me})\nraise ValueError")


def generator_function(program: Program, name: str) -> None:
    me = begin(program, 0, name, "X, cell", "cell[0]")
    program.add(1, "try: yield 1\nexcept KeyError: pass")
    statements(program, 1, me, 1, "return")
    program.add(1, "try: yield 2\nexcept KeyError: yield 3")
    if program.random.random() < 0.5:
        program.add(1, f"yield from {program.some('generator')}(X, [{me}])")
    statements(program, 1, me, 1, "return")


def coroutine(program: Program, name: str) -> None:
    me = begin(program, 0, name, "X, cell", "cell[0]", "async def")
    statements(program, 1, me, 1)
    program.add(1, "await asyncio.sleep(0)")
    ways = [
        f"await {program.some('coroutine')}(X, [{me}])",
        f"async for _ in {program.some('async_generator')}(X, [{me}]): await asyncio.sleep(0)",
        f"async with Manager(X, {me}): await {program.some('coroutine')}(X, [{me}])",
        f"made = {program.some('coroutine')}(X, ['nobody']); made.close()",
    ]
    for way in program.random.sample(ways, 2):
        if "close" in way:
            c_call(program, 1, me, "{method 'close' of 'coroutine' objects}")
        program.add(1, way)
    statements(program, 1, me, 1)


def async_generator(program: Program, name: str) -> None:
    me = begin(program, 0, name, "X, cell", "cell[0]", "async def")
    program.add(1, "yield 1")
    statements(program, 1, me, 1, "return")
    program.add(1, f"await {program.some('coroutine')}(X, [{me}])\nyield 2")


def method(program: Program, name: str, parameters: str, last: str = "", decorator: str = "") -> None:
    """A method without the parameters X and who takes them from its object."""
    me = program.mark()
    place = program.place(me, name)
    if decorator:
        program.add(1, decorator + place)
        place = ""
    program.add(1, f"def {name}({parameters}):{place}")
    if "X" not in parameters:
        program.add(2, "X, who = self.X, self.who")
    program.add(2, f"X[0][who, {me}] += 1")
    if program.random.random() < 0.5 and name != "__del__":
        program.add(2, f"X[1] -= 1\nif X[1] > 0: {program.some('function')}(X, {me})")
    if last:
        program.add(2, last)


def class_of(program: Program, name: str) -> None:
    describe = program.mark()
    program.add(0, f"class {name}Descriptor:")
    program.add(1, f"def __get__(self, o, owner):{program.place(describe, '__get__')}")
    program.add(2, f"o.X[0][o.who, {describe}] += 1\nreturn 1")
    program.add(0, f"class {name}:\n    described = {name}Descriptor()")
    method(program, "__init__", "self, X, who", "self.X = X; self.who = who; self.left = 2")
    method(program, "plain", "self, X, who")
    method(program, "static", "X, who", decorator="@staticmethod")
    method(program, "of_class", "cls, X, who", decorator="@classmethod")
    method(program, "prop", "self", "return 1", decorator="@property")
    method(program, "prop", "self, value", decorator="@prop.setter")
    method(program, "__getattr__", "self, name")
    method(program, "__call__", "self, X, who")
    method(program, "__getitem__", "self, i")
    method(program, "__add__", "self, other")
    method(program, "__eq__", "self, other", "return True")
    method(program, "__enter__", "self")
    method(program, "__exit__", "self, *exc")
    method(program, "__iter__", "self", "self.left = 2; return self")
    method(program, "__next__", "self", "self.left -= 1\nif self.left < 0: raise StopIteration")
    method(program, "__len__", "self", "return 3")
    method(program, "__repr__", "self", "return 'r'")
    method(program, "__str__", "self", "return 's'")
    method(program, "__hash__", "self", "return 5")
    if program.random.random() < 0.5:
        method(program, "__del__", "self")


FIXED = """
class Sub(list):
    def append(self, pair): <#sub#:append>
        X, who = pair
        X[0][who, "#sub#"] += 1
        if TYPES: X[0]["#sub#", "{class 'super'}"] += 1
        X[0]["#sub#", "{method 'append' of 'list' objects}"] += 1
        super().append(X)

def consume(X, who, made, cell): <#consume#:consume>
    X[0][who, "#consume#"] += 1
    cell[0] = "#consume#"
    X[0]["#consume#", "{built-in method builtins.next}"] += 1
    next(made)

def decorate(X, who): <#decorate#:decorate>
    X[0][who, "#decorate#"] += 1
    def apply(function): <#apply#:apply>
        def wrapped(X, who): <#wrapped#:wrapped>
            X[0][who, "#wrapped#"] += 1
            function(X, "#wrapped#")
        return wrapped
    return apply

def pause(X, who): <#pause#:pause>
    X[0][who, "#pause#"] += 1
    if X[3]:
        X[0]["#pause#", "{method 'switch' of 'greenlet.greenlet' objects}"] += 1
        X[3].switch()

class Named:
    def __init__(self, X, who): <#named#:__init__>
        X[0][who, "#named#"] += 1
        self.X = X
    def __set_name__(self, owner, name): <#set-name#:__set_name__>
        self.X[0]["#meta-new#", "#set-name#"] += 1

class Meta(type):
    @classmethod <#prepare#:__prepare__>
    def __prepare__(meta, name, bases, X, who):
        X[0][who, "#prepare#"] += 1
        return {}
    def __new__(meta, name, bases, body, X, who): <#meta-new#:__new__>
        X[0][who, "#meta-new#"] += 1
        if TYPES: X[0]["#meta-new#", "{class 'super'}"] += 1
        X[0]["#meta-new#", "{built-in method __new__}"] += 1
        return super().__new__(meta, name, bases, body, X=X, who="#meta-new#")
    def __init__(cls, name, bases, body, X, who): <#meta-init#:__init__>
        X[0][who, "#meta-init#"] += 1
    def __call__(cls, X, who): <#meta-call#:__call__>
        X[0][who, "#meta-call#"] += 1
        if TYPES: X[0]["#meta-call#", "{slot wrapper '__call__' of 'type' objects}"] += 1
        return type.__call__(cls, X, "#meta-call#")

class Base:
    def __init_subclass__(cls, X, who): <#init-subclass#:__init_subclass__>
        X[0][who, "#init-subclass#"] += 1
    def __init__(self, X, who): <#base-init#:__init__>
        X[0][who, "#base-init#"] += 1

class Manager:
    def __init__(self, X, who): <#manager#:__init__>
        X[0][who, "#manager#"] += 1
        self.X, self.who = X, who
    async def __aenter__(self): <#aenter#:__aenter__>
        self.X[0][self.who, "#aenter#"] += 1
        await asyncio.sleep(0)
    async def __aexit__(self, *exc): <#aexit#:__aexit__>
        self.X[0][self.who, "#aexit#"] += 1
"""

# What runs it all has no mark. The first function of a task is resumed by Handle._run(), that of a thread by
# Thread.run(); nobody is below the first function of a greenlet.
MAIN = """
FUNCTIONS = {functions}
COROUTINES = {coroutines}

def in_main():
    for i in range({rounds}):
        MAIN[1] = {fuel}
        FUNCTIONS[i % len(FUNCTIONS)](MAIN, "in_main")

def in_threads():
    threads = [threading.Thread(target=FUNCTIONS[i % 3], args=(context(i, {fuel}), "Thread.run")) for i in range(12)]
    for thread in threads: thread.start()
    done = []
    for i in range(8):
        done.append(_thread.allocate_lock())
        done[-1].acquire()
        _thread.start_new_thread(begin_raw, (context(i, {fuel}), done[-1], FUNCTIONS[i % 3]))
    for thread in threads: thread.join()
    for lock in done: lock.acquire()

def begin_raw(X, lock, function): <#raw#:begin_raw>
    X[0]["<root>", "#raw#"] += 1
    function(X, "#raw#")
    X[0]["#raw#", "{{method 'release' of '_thread.lock' objects}}"] += 1
    lock.release()

async def in_tasks():
    X = context(3, {fuel})
    tasks = [asyncio.create_task(made(X, ["Handle._run"])) for made in COROUTINES * 3]
    for task in tasks:
        await task

def in_greenlets():
    alive, here = [], greenlet.getcurrent()
    for i in range(6):
        X = context(i, {fuel})
        X[3] = here
        alive.append((greenlet.greenlet(FUNCTIONS[i % 4]), X))
    for made, X in alive:
        made.switch(X, "<root>")
    while alive:
        alive = [(made, X) for made, X in alive if not made.dead]
        for made, X in alive:
            made.switch()

in_main()
in_threads()
asyncio.run(in_tasks())
if greenlet:
    in_greenlets()
"""

KINDS: list[tuple[str, str, int, Callable[[Program, str], None]]] = [
    ("function", "function", 8, function),
    ("thrower", "thrower", 2, thrower),
    ("generator", "generator", 4, generator_function),
    ("class", "Class", 3, class_of),
    ("coroutine", "coroutine", 4, coroutine),
    ("async_generator", "async_generator", 2, async_generator),
]


def make_program(seed: int, rounds: int = 60, fuel: int = 40) -> str:
    """The text of a program; its argument is the file that it writes."""
    program = Program(seed)
    program.add(0, HEAD)
    program.add(0, FIXED)
    for kind, name, count, _ in KINDS:
        program.names[kind] = [f"{name}{i}" for i in range(count)]
    for kind, _, _, make in KINDS:
        for name in program.names[kind]:
            make(program, name)
    lists = {f"{kind}s": f"[{', '.join(program.names[kind])}]" for kind in ("function", "coroutine")}
    program.add(0, MAIN.format(rounds=rounds, fuel=fuel, **lists))
    program.add(0, f"PLACES = {program.places!r}")
    program.add(0, TAIL)
    return "\n".join(program.lines) + "\n"
