"""Requests to LLMLab. Every error becomes a Failure whose text is a full sentence."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import httpx

from llmlab._http import detail
from llmlab_cli import exact
from llmlab_cli.errors import Failure, NotAllowed, Unavailable
from llmlab_cli.settings import Settings

_TIMEOUT_SECONDS = 30.0


def own_version() -> str:
    """The version of this program."""
    try:
        return version("llmlab-cli")
    except PackageNotFoundError:
        return "unknown"


class Api:
    """An HTTP client for one LLMLab server and one caller."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        headers = {"User-Agent": f"llmlab-cli/{own_version()} Python/{platform.python_version()}"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self.client = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_SECONDS)

    @classmethod
    def of(cls, settings: Settings) -> "Api":
        """A client for these settings. Raises NotAllowed if they contain no API key."""
        if settings.api_key is None:
            raise NotAllowed("No API key is set. Run llmlab init, or set LLMLAB_API_KEY.")
        return cls(settings.url, settings.api_key)

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def get(self, path: str, **query: Any) -> Any:
        """The JSON answer to a GET, amounts as Decimal. Parameters that are None are left out."""
        return self.ask("GET", path, params={key: value for key, value in query.items() if value is not None})

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """The JSON answer to a request, or None if its body is empty. Raises Failure."""
        try:
            response = self.client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self.unreachable(error) from None
        if not response.is_success:
            raise refusal(response)
        try:
            return exact.loads(response.content) if response.content else None
        except ValueError:
            raise Failure(f"The server at {self.url} is not LLMLab.") from None

    @contextmanager
    def stream(self, path: str, *, headers: dict[str, str] | None = None, **query: Any) -> Iterator[httpx.Response]:
        """A streamed answer. Raises Failure, also if the connection is lost while reading."""
        params = {key: value for key, value in query.items() if value is not None}
        try:
            with self.client.stream("GET", path, params=params, headers=headers) as response:
                if not response.is_success:
                    response.read()
                    raise refusal(response)
                yield response
        except httpx.HTTPError as error:
            raise self.unreachable(error) from None

    def unreachable(self, error: httpx.HTTPError) -> Unavailable:
        """The failure for a request that did not get a complete answer."""
        if isinstance(error, httpx.TimeoutException):
            return Unavailable(f"LLMLab at {self.url} did not answer in time.")
        if isinstance(error, httpx.ConnectError):
            return Unavailable(f"Cannot connect to LLMLab at {self.url}. Is it running?")
        return Unavailable(f"The connection to LLMLab at {self.url} was lost.")


def refusal(response: httpx.Response) -> Failure:
    """The failure for an error answer."""
    message, status = sentence(detail(response)), response.status_code
    if status == 401:
        return NotAllowed(f"The API key is not valid. {message}")
    if status == 403:
        return NotAllowed(message)
    # A package that the server lacks is missing the next time too.
    return Unavailable(message) if status == 429 or (status >= 500 and status != 501) else Failure(message)


def sentence(text: str) -> str:
    """The text with a capital first letter and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
