"""Asks a service for orders, over HTTPS."""

from __future__ import annotations

import argparse
import http.client
import os
import ssl
import subprocess
import sys
import tempfile
import time
from typing import Callable, List


class Service:
    """Where it is, and whom to trust."""

    def __init__(self, port: int, certificate: str) -> None:
        self.port, self.context = port, ssl.create_default_context(cafile=certificate)

    def connection(self) -> http.client.HTTPSConnection:
        """One that is opened by the first request and stays open until it is closed."""
        return http.client.HTTPSConnection("localhost", self.port, context=self.context)


def read(answer: http.client.HTTPResponse, buffer_size: int) -> bytes:
    """All of it, part by part."""
    parts = []
    while True:
        part = answer.read(buffer_size)
        if not part:
            return b"".join(parts)
        parts.append(part)


def main(fetch_all: Callable[[Service, int], List[bytes]]) -> None:
    """Print what FETCH_ALL fetches, and how long that took on standard error."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=400)
    arguments = parser.parse_args()
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "service.py")
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([sys.executable, program, folder], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout
            port, certificate = server.stdout.readline().split()
            service = Service(int(port), certificate)
            start = time.perf_counter()
            answers = fetch_all(service, arguments.orders)
            print(f"{time.perf_counter() - start:.2f} s", file=sys.stderr)
        finally:
            server.kill()
            server.wait()
    print(f"{len(answers)} orders, {sum(map(len, answers))} bytes")
