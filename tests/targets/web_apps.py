"""One small service, written with each framework: Flask on plain sqlite3, Starlette and FastAPI on SQLAlchemy, Django.

WEB_OPTIONS has the options of the middleware as JSON, WEB_DATABASE the path of a database. With WEB_ELSEWHERE, /a and /b work in threads and tasks of their own where the
framework has such. All answer the same paths:

    /orders    reads 30 rows one after the other, from one line
    /same      sends one query 30 times
    /quick     nothing
    /sleep     takes 0.3 s
    /fail      raises
    /stream    three pieces
    /gated     two pieces, the second once there is a file WEB_GATE
    /a, /b     each works in its own functions, in turns with waiting
    /process   what can be seen of the process: threads, children
"""

import asyncio
import contextlib
import json
import os
import sqlite3
import threading
import time

OPTIONS = json.loads(os.environ.get("WEB_OPTIONS", "{}"))
DATABASE = os.environ.get("WEB_DATABASE", ":memory:")
ELSEWHERE = bool(os.environ.get("WEB_ELSEWHERE"))
ROWS = 30
TURNS, WORK_S, WAIT_S = 6, 0.012, 0.02

if OPTIONS.pop("when_raises", False):
    OPTIONS["when"] = lambda info: 1 // 0


def make_database():
    if DATABASE == ":memory:" or os.path.exists(DATABASE):
        return
    part = f"{DATABASE}.{os.getpid()}"  # other workers may make one, too: each sees a whole one
    with contextlib.closing(sqlite3.connect(part)) as made, made:
        made.execute("CREATE TABLE web_order (id INTEGER PRIMARY KEY, name TEXT)")
        made.executemany("INSERT INTO web_order VALUES (?, ?)", [(at, f"order-{at}") for at in range(1, ROWS + 1)])
    os.replace(part, DATABASE)


def work_a(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        sum(range(50))


def work_b(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        sum(range(50))


def view_a():
    for _ in range(TURNS):
        work_a(WORK_S)
        time.sleep(WAIT_S)
    return "a"


def view_b():
    for _ in range(TURNS):
        work_b(WORK_S)
        time.sleep(WAIT_S)
    return "b"


async def async_view_a():
    for _ in range(TURNS):
        work_a(WORK_S)
        await asyncio.sleep(WAIT_S)
    return "a"


async def async_view_b():
    for _ in range(TURNS):
        work_b(WORK_S)
        await asyncio.sleep(WAIT_S)
    return "b"


async def elsewhere_a():
    return (await asyncio.gather(asyncio.create_task(async_view_a()), asyncio.to_thread(view_a)))[0]


async def elsewhere_b():
    return (await asyncio.gather(asyncio.create_task(async_view_b()), asyncio.to_thread(view_b)))[0]


def seen_process():
    try:
        os.waitpid(-1, os.WNOHANG)
        children = "some"
    except ChildProcessError:
        children = "none"
    return json.dumps({"pid": os.getpid(), "threads": threading.active_count(), "children": children})


def gated():
    yield "one "
    while not os.path.exists(os.environ["WEB_GATE"]):
        time.sleep(0.005)
    yield "two"


async def async_gated():
    yield "one "
    while not os.path.exists(os.environ["WEB_GATE"]):
        await asyncio.sleep(0.005)
    yield "two"


def failing():
    raise KeyError("the view's own")


# -- Flask -----------------------------------------------------------------------------------------


def flask_app():
    from flask import Flask, Response

    from pyrometer.web import WSGIMiddleware, count_queries

    app = Flask(__name__)

    def connect():
        return count_queries(sqlite3.connect(DATABASE))

    @app.get("/orders")
    def orders():
        database, found = connect(), []
        for at, in database.execute("SELECT id FROM web_order"):
            found.append(read_order(database, at))
        return ",".join(found)

    def read_order(database, at):
        return database.execute("SELECT name FROM web_order WHERE id = ? AND 'se''cret' <> name", (at,)).fetchone()[0]  # N+1

    @app.get("/same")
    def same():
        cursor = connect().cursor()
        for _ in range(ROWS):
            cursor.execute("SELECT name FROM web_order WHERE id = ?", (7,))
        return cursor.fetchone()[0]

    @app.get("/stream")
    def stream():
        return Response((piece for piece in ("one ", "two ", "three")), mimetype="text/plain")

    app.add_url_rule("/gated", "gated", lambda: Response(gated(), mimetype="text/plain"))
    app.add_url_rule("/quick", "quick", lambda: "quick")
    app.add_url_rule("/sleep", "sleep", lambda: time.sleep(0.3) or "slept")
    app.add_url_rule("/fail", "fail", failing)
    app.add_url_rule("/a", "a", view_a)
    app.add_url_rule("/b", "b", view_b)
    app.add_url_rule("/process", "process", seen_process)
    app.wsgi_app = WSGIMiddleware(app.wsgi_app, **OPTIONS)
    return app


# -- Starlette and FastAPI -------------------------------------------------------------------------


def make_engine():
    from sqlalchemy import create_engine

    return create_engine(f"sqlite:///{DATABASE}")


def read_orders(connection):
    from sqlalchemy import text

    found = []
    for at, in connection.execute(text("SELECT id FROM web_order")).all():
        found.append(connection.execute(text("SELECT name FROM web_order WHERE id = :id"), {"id": at}).scalar())  # N+1
    return ",".join(found)


def read_same(connection):
    from sqlalchemy import text

    for _ in range(ROWS):
        found = connection.execute(text("SELECT name FROM web_order WHERE id = :id"), {"id": 7}).scalar()
    return found


def starlette_app():
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse, StreamingResponse
    from starlette.routing import Route

    from pyrometer.web import ASGIMiddleware

    engine = make_engine()

    async def orders(request):
        with engine.connect() as connection:
            return PlainTextResponse(read_orders(connection))

    async def same(request):
        with engine.connect() as connection:
            return PlainTextResponse(read_same(connection))

    async def pieces():
        for piece in ("one ", "two ", "three"):
            yield piece
            await asyncio.sleep(0)

    async def stream(request):
        return StreamingResponse(pieces(), media_type="text/plain")

    async def in_two(request):
        return StreamingResponse(async_gated(), media_type="text/plain")

    async def sleep(request):
        await asyncio.sleep(0.3)
        return PlainTextResponse("slept")

    def of(view):
        async def endpoint(request):
            found = view()
            return PlainTextResponse(await found if asyncio.iscoroutine(found) else found)

        return endpoint

    a, b = (elsewhere_a, elsewhere_b) if ELSEWHERE else (async_view_a, async_view_b)
    views = {"a": a, "b": b, "quick": lambda: "quick", "fail": failing, "process": seen_process}
    routes = [Route(f"/{name}", of(view)) for name, view in views.items()]
    routes += [Route("/orders", orders), Route("/same", same), Route("/stream", stream), Route("/gated", in_two), Route("/sleep", sleep)]
    app = Starlette(routes=routes)
    app.add_middleware(ASGIMiddleware, **OPTIONS)
    return app


def fastapi_app():
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse, StreamingResponse

    from pyrometer.web import ASGIMiddleware

    app, engine = FastAPI(default_response_class=PlainTextResponse), make_engine()

    @app.get("/orders")
    async def orders():
        with engine.connect() as connection:
            return read_orders(connection)

    @app.get("/same")
    def same():  # in a thread of the pool
        with engine.connect() as connection:
            return read_same(connection)

    @app.get("/stream")
    async def stream():
        return StreamingResponse(iter(("one ", "two ", "three")), media_type="text/plain")

    @app.get("/gated")
    async def in_two():
        return StreamingResponse(async_gated(), media_type="text/plain")

    @app.get("/sleep")
    async def sleep():
        await asyncio.sleep(0.3)
        return "slept"

    @app.get("/quick")
    async def quick():
        return "quick"

    @app.get("/fail")
    async def fail():
        failing()

    app.get("/a")(view_a if ELSEWHERE else async_view_a)
    app.get("/b")(view_b if ELSEWHERE else async_view_b)
    app.get("/process")(seen_process)
    app.add_middleware(ASGIMiddleware, **OPTIONS)
    return app


# -- Django ----------------------------------------------------------------------------------------


def make_django():
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="x",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        DEBUG=OPTIONS.pop("DEBUG", False),
        INTERNAL_IPS=OPTIONS.pop("INTERNAL_IPS", []),
        MIDDLEWARE=["pyrometer.web.DjangoMiddleware"],
        PYROMETER=OPTIONS,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE}},
    )
    django.setup()
    from django.db import models
    from django.http import HttpResponse, StreamingHttpResponse
    from django.urls import path

    class Order(models.Model):
        name = models.TextField()

        class Meta:
            app_label = "web"
            db_table = "web_order"

    def orders(request):
        found = []
        for order in Order.objects.only("id"):
            found.append(Order.objects.get(id=order.id).name)  # N+1
        return HttpResponse(",".join(found))

    def same(request):
        for _ in range(ROWS):
            found = Order.objects.get(id=7)
        return HttpResponse(found.name)

    def of(view):
        if asyncio.iscoroutinefunction(view):

            async def endpoint(request):
                return HttpResponse(await view())

        else:

            def endpoint(request):
                return HttpResponse(view())

        return endpoint

    a, b = (async_view_a, async_view_b) if os.environ.get("WEB_ASYNC") and not ELSEWHERE else (view_a, view_b)
    views = {"a": a, "b": b, "quick": lambda: "quick", "fail": failing, "process": seen_process}
    views["sleep"] = lambda: time.sleep(0.3) or "slept"
    globals()["urlpatterns"] = [path(name, of(view)) for name, view in views.items()] + [
        path("orders", orders),
        path("same", same),
        path("gated", lambda request: StreamingHttpResponse(async_gated() if os.environ.get("WEB_ASYNC") else gated())),
        path("stream", lambda request: StreamingHttpResponse(iter(("one ", "two ", "three")))),
    ]


def django_wsgi_app():
    make_django()
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def django_asgi_app():
    make_django()
    from django.core.asgi import get_asgi_application

    return get_asgi_application()


make_database()
