"""Logs: a JSON object per line, or plain text while debugging."""

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from utils.json import dumps

# All that a handler of somebody else's may ask of a record.
_BLANK = logging.LogRecord("", logging.INFO, "", 0, "", (), None).__dict__

_GATHERING_SECONDS = 0.02


class RequestRecord(logging.LogRecord):
    """What there is to say of one request: at least its `method`, `path`, `status` and `error`, None for no error."""

    def __init__(self, logger: str, request: Mapping[str, Any]) -> None:
        # What the base class finds out about the caller takes longer than writing the line, which shows none of it.
        self.__dict__.update(_BLANK)
        self.name = logger
        if request["error"] is not None:
            self.levelno, self.levelname = logging.ERROR, "ERROR"
        self.created = time.time()
        self.msecs = self.created % 1 * 1000
        self.request = request

    def getMessage(self) -> str:
        """The request in three words."""
        return "{method} {path} {status}".format_map(self.request)


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, logger and either the request's facts or the message."""

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
    """A record for human eyes, with the traceback of what went wrong."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        error = record.request["error"] if isinstance(record, RequestRecord) else None
        return f"{line}\n{error}" if error else line


class GatheringHandler(logging.StreamHandler[TextIO]):
    """Writes the lines of some milliseconds in one go: a write for each costs a busy server 5 % of its time.

    Outside an event loop it writes at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        # The loop that will write them: one that has ended by then does not.
        self._writer: asyncio.AbstractEventLoop | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record))
            loop = asyncio.get_running_loop()
            if loop is not self._writer:
                self._writer = loop
                loop.call_later(_GATHERING_SECONDS, self.flush)
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
    """Sends everything to standard error, once."""
    # What no line of ours shows need not be looked up for each (see "Optimization" in the documentation of logging).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = ""
    handler = GatheringHandler()
    handler.setFormatter(PlainLines("%(asctime)s %(levelname)s %(name)s %(message)s") if debug else JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    # One line per request is ours; the HTTP client of the Supabase road would add one more per query.
    for name in ("httpx", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
