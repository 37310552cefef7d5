"""The users: each asks for an order, thinks, and asks for the next one. A process of its own.

Prints how many answers there were and how large they were, and on standard error how long they took."""

import asyncio
import statistics
import sys
import time
from typing import List

THINK_S = 0.1


async def user(port: int, number: int, requests: int, answers: List[bytes], times_s: List[float]) -> None:
    """One of them, who leaves after the last answer."""
    for request in range(requests):
        await asyncio.sleep(THINK_S)
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /orders/%d HTTP/1.0\r\n\r\n" % (number * requests + request))
        answers.append(await reader.read())
        writer.close()
        times_s.append(time.perf_counter() - began)


async def main(port: int, users: int, requests: int) -> None:
    answers: List[bytes] = []
    times_s: List[float] = []
    await asyncio.gather(*(user(port, number, requests, answers, times_s) for number in range(users)))
    print(f"{len(set(answers))} orders, {sum(map(len, answers))} bytes")
    text = f"{users} users: {1000 * statistics.median(times_s):.0f} ms an answer, {1000 * max(times_s):.0f} at most"
    print(text, file=sys.stderr)


asyncio.run(main(*map(int, sys.argv[1:])))
