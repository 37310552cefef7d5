"""Two requests in one thread, each in a greenlet of its own, in turns: prints the ids of their recordings, which go to the folder that is
named."""

import json
import os
import sys
import time

import greenlet

from pyrometer import web
from pyrometer.web import WSGIMiddleware

TURNS, WORK_S = 10, 0.03
hub = greenlet.getcurrent()


def work_a():
    until = time.perf_counter() + WORK_S
    while time.perf_counter() < until:
        pass


def work_b():
    until = time.perf_counter() + WORK_S
    while time.perf_counter() < until:
        pass


def view_a():
    for _ in range(TURNS):
        work_a()
        hub.switch()


def view_b():
    for _ in range(TURNS):
        work_b()
        hub.switch()


def app(environ, start_response):
    {"/a": view_a, "/b": view_b}.get(environ["PATH_INFO"], work_a)()
    start_response("200 OK", [])
    return [b""]


middleware = WSGIMiddleware(app, share=1.0, directory=sys.argv[1], rate_hz=500)


def ask(path):
    middleware({"REQUEST_METHOD": "GET", "PATH_INFO": path}, lambda status, headers: None)


def recording(kept):
    return os.path.join(sys.argv[1], kept.id + ".pyro")


def written(kept):
    return os.path.exists(recording(kept)) and os.path.getsize(recording(kept)) > 0


while not web.stats()["sampler"][0].startswith("ready"):
    ask("/first")
middleware.service.recent.clear()
both = [greenlet.greenlet(ask), greenlet.greenlet(ask)]
for one, path in zip(both, ("/a", "/b")):
    one.switch(path)
while any(both):  # one that is over is false
    for one in both:
        if one:
            one.switch()
while not all(written(kept) for kept in middleware.service.recent):
    time.sleep(0.01)
print(json.dumps({kept.title.split()[1]: kept.id for kept in middleware.service.recent}))
