"""A running LLMLab for the tests of the SDK and of the command line, and a stand-in for one."""

import json
import threading
from decimal import Decimal
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import httpx

from tests.support.team import PASSWORD, new_email

# The most workspaces of one user.
WORKSPACES_OF_ONE = 99
_number = count()


@cache
def access_token(url: str, number: int) -> str:
    """The token of an account for many tests of a server, since a password takes a quarter of a second to hash."""
    account = {"email": new_email(), "password": PASSWORD, "name": "Ada"}
    token: str = httpx.post(f"{url}/api/auth/signup", json=account, timeout=120).json()["access_token"]
    return token


class Workspace:
    """A new workspace on a running LLMLab, with its admin and the API key of an application."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._headers = {"Authorization": f"Bearer {access_token(url, next(_number) // WORKSPACES_OF_ONE)}"}
        self._headers["X-Workspace-Id"] = self.ask("POST", "/api/workspaces", {"name": "Ada"})["id"]
        self.key: str = self.ask("POST", "/api/keys", {"name": "application"})["key"]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to a request of the admin, with every digit; it must succeed."""
        response = httpx.request(method, self.url + path, json=body, headers=self._headers, timeout=120)
        assert response.is_success, response.text
        return json.loads(response.content, parse_float=Decimal)

    def events(self) -> list[dict[str, Any]]:
        """The latest 1,000 calls, newest first."""
        found: list[dict[str, Any]] = self.ask("GET", "/api/events?limit=1000")["events"]
        return found

    def event(self) -> dict[str, Any]:
        """The only call."""
        (event,) = self.events()
        return event

    def count(self) -> int:
        """The number of calls."""
        return int(self.ask("GET", "/api/costs/summary?days=2")["call_count"])


class Double:
    """A server that gives prepared answers at a path and keeps the requests that it received."""

    def __init__(self, path: str = "/api/events/batch") -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.requests: list[tuple[str, bytes]] = []
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                double.requests.append((f"{self.command} {self.path}", str(self.headers).encode() + body))
                status, answer = 200, b'{"recorded":0,"duplicates":0,"rejected":[]}'
                headers: dict[str, str] = {}
                if double.answers and self.path.split("?")[0] == path:
                    status, headers, answer = double.answers.pop(0)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_DELETE = _answer

            def log_message(self, format: str, *arguments: Any) -> None:
                """Writes nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def batches(self) -> list[bytes]:
        """The bodies of the requests that store events."""
        return [body for path, body in self.requests if path == "POST /api/events/batch"]

    def stop(self) -> None:
        """Stops the server."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
