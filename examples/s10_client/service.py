"""The service: HTTPS, connections stay open as long as clients like. Its certificate is its own, made by openssl on start.

Prints its port and where its certificate lies, then answers until it is killed."""

import ssl
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAKE_CERTIFICATE = """openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost
    -addext subjectAltName=DNS:localhost -addext keyUsage=critical,digitalSignature,keyCertSign"""


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one packet
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """/orders/NUMBER: a little text."""
        body = b"order %s\n" % self.path.encode() * 50
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *ignored: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    request_queue_size = 128


if __name__ == "__main__":
    certificate, key = f"{sys.argv[1]}/certificate.pem", f"{sys.argv[1]}/key.pem"
    made = subprocess.run(
        [*MAKE_CERTIFICATE.split(), "-keyout", key, "-out", certificate], capture_output=True, text=True, check=False
    )
    if made.returncode:
        sys.exit(made.stderr)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = Server(("127.0.0.1", 0), Service)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(server.server_port, certificate, flush=True)
    server.serve_forever()
