"""The exchange: a server of its own, whose answers come as late as those of one that is far away.

Prints its port, then answers until it is killed."""

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Exchange(BaseHTTPRequestHandler):
    delay_s = float(sys.argv[1])

    def do_GET(self) -> None:
        """The prices of the last 250 days of /SYMBOL: made up, the same each time."""
        seed = sum(self.path.encode())
        body = ",".join(str((seed * day % 997) / 10) for day in range(1, 251)).encode()
        time.sleep(self.delay_s)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *ignored: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # with the usual 5, the sixth at once waits a second


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Exchange)
    print(server.server_port, flush=True)
    server.serve_forever()
