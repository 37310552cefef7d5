"""The database: answers each question after a while, on any number of connections at a time. A process of its own.

Prints its port, then answers until it is killed."""

import asyncio
import sys


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: a number in each line, an order in each answer."""
    while True:
        line = await reader.readline()
        if not line:
            return
        await asyncio.sleep(float(sys.argv[1]))
        writer.write(b"order " + line)


async def main() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
