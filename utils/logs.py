"""Logs: one JSON object per line, or plain text in debug mode."""

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from utils.json import dumps

# All attributes that other handlers may read from a record.
_BLANK = logging.LogRecord("", logging.INFO, "", 0, "", (), None).__dict__

_BUFFER_SECONDS = 0.02


class RequestRecord(logging.LogRecord):
    """The log record of a request, with at least `method`, `path`, `status` and `error` (None without an error)."""

    def __init__(self, logger: str, request: Mapping[str, Any]) -> None:
        # The base class looks up the calling function, which takes longer than writing the line and is not shown.
        self.__dict__.update(_BLANK)
        self.name = logger
        if request["error"] is not None:
            self.levelno, self.levelname = logging.ERROR, "ERROR"
        self.created = time.time()
        self.msecs = self.created % 1 * 1000
        self.request = request

    def getMessage(self) -> str:
        """Method, path and status."""
        return "{method} {path} {status}".format_map(self.request)


class JsonLines(logging.Formatter):
    """One line of JSON: time, level, logger, and either the fields of the request or the message."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            **(record.request if isinstance(record, RequestRecord) else {"message": record.getMessage()}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return dumps(line).decode()


class PlainLines(logging.Formatter):
    """Plain text, with the traceback of an error."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        error = record.request["error"] if isinstance(record, RequestRecord) else None
        return f"{line}\n{error}" if error else line


class GatheringHandler(logging.StreamHandler[TextIO]):
    """Buffers lines for 20 ms, because a write per line takes 5% of a busy server's time.

    Outside of an event loop, it writes at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        # The loop scheduled to flush the lines. A loop that has ended does not, so another one schedules again.
        self._writer: asyncio.AbstractEventLoop | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record))
            loop = asyncio.get_running_loop()
            if loop is not self._writer:
                self._writer = loop
                loop.call_later(_BUFFER_SECONDS, self.flush)
        except RuntimeError:
            self.flush()
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        self.acquire()
        try:
            lines, self._lines, self._writer = self._lines, [], None
            if lines:
                self.stream.write("\n".join(lines) + "\n")
                self.stream.flush()
        finally:
            self.release()


def configure_logs(*, debug: bool) -> None:
    """Replaces the handlers of the root logger by one that writes to standard error."""
    # Skip values that no line shows (see "Optimization" in the documentation of logging).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = ""
    handler = GatheringHandler()
    handler.setFormatter(PlainLines("%(asctime)s %(levelname)s %(name)s %(message)s") if debug else JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    # LLMLab logs each request itself; the HTTP client of Supabase would add a line per query.
    for name in ("httpx", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
