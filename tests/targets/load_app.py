"""A service with no framework, as WSGI (wsgi) and as ASGI (asgi), whose requests read one row and work a little; and on Flask (flask) and on Starlette
(starlette), whose requests take twenty rows through SQLAlchemy, make JSON of them and work as much.

LOAD_OPTIONS has the middleware's options as JSON ("": no middleware), LOAD_DATABASE a path of SQLite's or a postgresql: URL. /a and /b
work in functions of their own, so that a recording shows whose it is. What was asked behind "?" stands at the end of the answer: by that wrk.lua knows which one it is.
"""

import json
import os
import sqlite3
import threading

from pyrometer.web import ASGIMiddleware, WSGIMiddleware, count_queries

OPTIONS = os.environ.get("LOAD_OPTIONS", "")
DATABASE = os.environ["LOAD_DATABASE"]
ROUNDS = 2000  # some 0.1 ms

local = threading.local()


def connect():
    if DATABASE.startswith("postgresql:"):
        import psycopg

        return psycopg.connect(DATABASE, autocommit=True), "SELECT name FROM load_row WHERE id = %s"
    return sqlite3.connect(DATABASE), "SELECT name FROM load_row WHERE id = ?"


def read_row():
    if not hasattr(local, "connection"):
        made, local.query = connect()
        local.connection = count_queries(made)
    return local.connection.execute(local.query, (7,)).fetchone()[0]


def work_a():
    return sum(at * at for at in range(ROUNDS))


def work_b():
    return sum(at + at for at in range(ROUNDS))


def answer(path, query):
    work = work_a if path == "/a" else work_b
    return f"{path} {read_row()} {work()} ?{query}".encode()


def wsgi(environ, start_response):
    body = answer(environ["PATH_INFO"], environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    body = answer(scope["path"], scope["query_string"].decode())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


def listing():
    """answer(), of twenty rows."""
    from sqlalchemy import create_engine, select
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

    class Base(DeclarativeBase):
        pass

    class Row(Base):
        __tablename__ = "load_row"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    postgresql = DATABASE.startswith("postgresql:")
    engine = create_engine(DATABASE.replace(":", "+psycopg:", 1) if postgresql else f"sqlite:///{DATABASE}", pool_size=8)

    def answer_with_rows(path, query):
        work = work_a if path == "/a" else work_b
        with Session(engine) as session:
            rows = session.scalars(select(Row).where(Row.id.between(1, 20)).order_by(Row.id)).all()
            listed = json.dumps([{"id": row.id, "name": row.name} for row in rows])
            return f"{path} {rows[6].name} {work()} {listed} ?{query}"

    return answer_with_rows


def on_flask():
    from flask import Flask, request

    app, answer_with_rows = Flask(__name__), listing()
    app.get("/<name>")(lambda name: answer_with_rows("/" + name, request.query_string.decode()))
    if OPTIONS:
        app.wsgi_app = WSGIMiddleware(app.wsgi_app, **json.loads(OPTIONS))
    return app


def on_starlette():
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    answer_with_rows = listing()

    async def one(request):
        return PlainTextResponse(answer_with_rows(request.url.path, request.url.query))

    app = Starlette(routes=[Route("/{name}", one)])
    if OPTIONS:
        app.add_middleware(ASGIMiddleware, **json.loads(OPTIONS))
    return app


def __getattr__(name):
    if name not in ("flask", "starlette"):
        raise AttributeError(name)
    return on_flask() if name == "flask" else on_starlette()


if OPTIONS:
    wsgi = WSGIMiddleware(wsgi, **json.loads(OPTIONS))
    asgi = ASGIMiddleware(asgi, **json.loads(OPTIONS))
