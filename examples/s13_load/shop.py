"""The shop: a server with worker threads, which share connections to a database."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

FOLDER = os.path.dirname(os.path.abspath(__file__))
BACKLOG = 1024


class Pool:
    """Connections to the database. Who finds none that is free waits for one."""

    def __init__(self, port: int, size: int) -> None:
        self._free: SimpleQueue[socket.socket] = SimpleQueue()
        for _ in range(size):
            self._free.put(socket.create_connection(("127.0.0.1", port)))

    def take(self) -> socket.socket:
        return self._free.get()

    def give(self, connection: socket.socket) -> None:
        self._free.put(connection)


def query(connection: socket.socket, number: bytes) -> bytes:
    connection.sendall(number + b"\n")
    return connection.recv(100)


def read_order(pool: Pool, number: bytes) -> bytes:
    connection = pool.take()
    try:
        return query(connection, number)
    finally:
        pool.give(connection)


def handle(client: socket.socket, pool: Pool) -> None:
    """One request: GET /orders/NUMBER."""
    with client:
        path = client.recv(1000).split(b" ")[1]
        body = read_order(pool, path.rpartition(b"/")[2])
        client.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def serve(listener: socket.socket, workers: int, pool: Pool) -> None:
    """Until LISTENER is shut down."""
    with ThreadPoolExecutor(workers) as threads:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threads.submit(handle, client, pool)


def main(workers: int, connections: int) -> None:
    """Serve users with so many threads and connections until the last one has left."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--requests", type=int, default=4, help="of each user")
    parser.add_argument("--delay", default="0.01", help="of the database, in seconds")
    arguments = parser.parse_args()
    database = subprocess.Popen([sys.executable, f"{FOLDER}/database.py", arguments.delay], stdout=subprocess.PIPE, text=True)
    try:
        assert database.stdout
        pool = Pool(int(database.stdout.readline()), connections)
        listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        server = threading.Thread(target=serve, args=(listener, workers, pool))
        server.start()
        port = listener.getsockname()[1]
        subprocess.run([sys.executable, f"{FOLDER}/users.py", *map(str, (port, arguments.users, arguments.requests))], check=True)
        listener.shutdown(socket.SHUT_RDWR)
        server.join()
    finally:
        database.kill()
        database.wait()
