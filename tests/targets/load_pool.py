"""A service that is fine with ten users and falls apart at 500: ten connections in a pool for all its threads, or one lock. WSGI, for gunicorn; LOAD_DATABASE is
the URL of a PostgreSQL server."""

import os
import threading

from sqlalchemy import create_engine, text

engine = create_engine(os.environ["LOAD_DATABASE"].replace("postgresql:", "postgresql+psycopg:", 1), pool_size=10, max_overflow=0, pool_timeout=600)
lock = threading.Lock()


def read_order():
    with engine.connect() as connection:  # waits for the pool
        return connection.execute(text("SELECT pg_sleep(0.01), 'order'")).one()[1]


def count_visit():
    with lock:
        return read_order()


def app(environ, start_response):
    body = (count_visit if environ["PATH_INFO"] == "/lock" else read_order)().encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
