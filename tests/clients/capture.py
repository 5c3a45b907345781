"""A server that stores what clients send to LLMLab and accepts all of it."""

import gzip
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Capture:
    """The running server; each body, decompressed, becomes a file of the folder, and `requests.txt` lists them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._number = 0
        self._lock = threading.Lock()
        capture = self

        class Handler(_Handler):
            """Stores for this server."""

            server_of = capture

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> "Capture":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def store(self, path: str, media_type: str, body: bytes) -> None:
        """Writes the next file."""
        with self._lock:
            self._number += 1
            name = f"{self._number:03}.{'pb' if 'protobuf' in media_type else 'json'}"
            (self.folder / name).write_bytes(body)
            with (self.folder / "requests.txt").open("a") as listing:
                listing.write(f"{name} {path} {media_type}\n")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: Capture

    def do_GET(self) -> None:
        self._answer("application/json", b"{}")

    def do_POST(self) -> None:
        size = self.headers["content-length"]
        body = self.rfile.read(int(size)) if size else self._chunked()
        encoding = self.headers.get("content-encoding", "")
        if encoding == "gzip":
            body = gzip.decompress(body)
        elif encoding == "deflate":
            body = zlib.decompress(body)
        media_type = self.headers.get("content-type", "")
        self.server_of.store(self.path, media_type, body)
        self._answer(media_type, b"" if "protobuf" in media_type else b"{}")

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _answer(self, media_type: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _chunked(self) -> bytes:
        pieces = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)
