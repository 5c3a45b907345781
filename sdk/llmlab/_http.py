"""The HTTP client of a process, created on first use."""

import platform
import threading
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import httpx

from llmlab._settings import Settings

# Shorter than five seconds, the usual idle timeout of servers.
_KEEPALIVE_SECONDS = 3.0


class Http:
    """Sends requests to LLMLab. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._of_parent: list[httpx.Client] = []

    def request(self, method: str, path: str, *, timeout: float, again: bool = True, **options: Any) -> httpx.Response:
        """Sends a request, and `again` if the server closed the connection. Raises httpx.HTTPError."""
        client = self._client or self._open()
        try:
            return client.request(method, path, timeout=timeout, **options)
        except httpx.RemoteProtocolError:
            if not again:
                raise
            # The server closed an idle connection.
            return client.request(method, path, timeout=timeout, **options)

    def close(self) -> None:
        """Closes the connections."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def after_fork(self) -> None:
        """Leaves the connections to the parent process, without closing them."""
        if self._client is not None:
            self._of_parent.append(self._client)
        self._lock = threading.Lock()
        self._client = None

    def _open(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                self._client = httpx.Client(
                    base_url=self._settings.base_url,
                    headers={"Authorization": f"Bearer {self._settings.api_key}", "User-Agent": _user_agent()},
                    limits=httpx.Limits(keepalive_expiry=_KEEPALIVE_SECONDS),
                )
            return self._client


def _user_agent() -> str:
    try:
        own_version = version("llmlab-sdk")
    except PackageNotFoundError:
        own_version = "unknown"
    return f"llmlab-sdk/{own_version} Python/{platform.python_version()}"


def retry_after(response: httpx.Response) -> float:
    """The seconds in the Retry-After header; 0 without one."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isdigit() else 0.0


def detail(response: httpx.Response) -> str:
    """The `detail` of an error answer."""
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP status {response.status_code}"
