"""asyncio with 1,000 tasks that serve made-up requests: each awaits its turn, then parses, looks up,
renders, compresses and logs. Those five functions are timed by the program itself. `--learn 1` prints the
possible pairs of frames instead. The variant is the number of tasks.
"""
import asyncio
import json
import random
import sys
import zlib

import truth

STEPS = ("parse_request", "look_up", "render_page", "compress_body", "write_log")
PATHS = ["/shop/%d?colour=%s&size=%d" % (number, colour, number % 7)
         for number in range(60) for colour in ("red", "green", "blue")]


class Request:
    def __init__(self, path, fields, headers):
        self.path, self.fields, self.headers = path, fields, headers

    def header(self, name):
        return self.headers.get(name.lower(), "")


def split_pair(text, mark):
    name, _, value = text.partition(mark)
    return name.strip().lower(), value.strip()


def parse_request(raw):
    head, *lines = raw.split("\r\n")
    path, _, query = head.split(" ")[1].partition("?")
    headers = dict(split_pair(line, ":") for line in lines if line)
    return Request(path, dict(split_pair(part, "=") for part in query.split("&")), headers)


def score(item, wanted):
    return sum(1 for name in wanted if item.get(name) == wanted[name])


def look_up(store, request):
    ranked = sorted(store, key=lambda item: score(item, request.fields))
    return ranked[-10:]


def render_row(item):
    return "<li>%s</li>" % ", ".join("%s=%s" % (name, item[name]) for name in sorted(item))


def render_page(items, request):
    body = "".join(render_row(item) for item in items)
    return "<h1>%s</h1><ul>%s</ul>%s" % (request.path, body, request.header("Host"))


def compress_body(page):
    return zlib.compress(page.encode(), 6)


def write_log(log, request, body):
    log.append(json.dumps({"path": request.path, "size": len(body), **request.fields}))
    if len(log) > 500:
        del log[:400]


async def turn(gate, chance):
    """Wait: for the next pass of the loop, or a little, or for the gate."""
    kind = chance.random()
    if kind < 0.6:
        await asyncio.sleep(0)
    elif kind < 0.9:
        await asyncio.sleep(chance.random() * 0.01)
    else:
        async with gate:
            await asyncio.sleep(0)


async def serve_one(shared, split):
    clock, spent = truth.clock, split.spent
    await turn(shared["gate"], shared["chance"])
    raw = "GET %s HTTP/1.1\r\nHost: example.org\r\nAccept: text/html\r\n\r\n" % (
        shared["chance"].choice(PATHS))
    begin = clock()
    request = parse_request(raw)
    parsed = clock()
    items = look_up(shared["store"], request)
    found = clock()
    page = render_page(items, request)
    rendered = clock()
    body = compress_body(page)
    compressed = clock()
    write_log(shared["log"], request, body)
    end = clock()
    cost = shared["stopwatch_s"]
    spent[0] += parsed - begin - cost
    spent[1] += found - parsed - cost
    spent[2] += rendered - found - cost
    spent[3] += compressed - rendered - cost
    spent[4] += end - compressed - cost


async def client(shared, split):
    while not shared["over"]:
        await serve_one(shared, split)


async def watch(shared, split, seconds):
    end = truth.clock() + seconds
    while truth.clock() < end and not truth.stopping:
        await asyncio.sleep(0.02)
        split.mark(truth.clock())
    shared["over"] = True


async def serve(tasks, seconds, ready):
    split = truth.Split(STEPS)
    shared = {"gate": asyncio.Semaphore(20), "chance": random.Random(1), "log": [], "over": False,
              "stopwatch_s": truth.stopwatch_cost(),
              "store": [{"colour": ("red", "green", "blue")[number % 3], "size": str(number % 7),
                         "title": "thing %d" % number} for number in range(24)]}
    clients = [asyncio.ensure_future(client(shared, split)) for _ in range(tasks)]
    await asyncio.sleep(0)
    ready()
    await watch(shared, split, seconds)
    split.finish()
    await asyncio.gather(*clients)
    return split


def parts_of(variant):
    return {name: name for name in STEPS}


def main():
    options = truth.arguments("1000", learn=0)
    if options.learn:
        learner = truth.PairLearner()
        learner.start()
        asyncio.run(serve(int(options.variant), 2.0, int))
        learner.finish()
        sys.exit()
    truth.finish(asyncio.run(serve(int(options.variant), options.seconds, truth.ready)))


if __name__ == "__main__":
    main()
