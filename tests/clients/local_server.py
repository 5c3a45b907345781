"""A web server on this machine whose clients may leave when they like."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class LocalServer(ThreadingHTTPServer):
    """A server at a free port."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Reports all errors but a client's that ends with an open connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def body_of(request: BaseHTTPRequestHandler) -> bytes:
    """The body of a request, with a length or in chunks."""
    size = request.headers["content-length"]
    if size:
        return request.rfile.read(int(size))
    pieces = []
    while length := int(request.rfile.readline().strip() or b"0", 16):
        pieces.append(request.rfile.read(length))
        request.rfile.readline()
    request.rfile.readline()
    return b"".join(pieces)
