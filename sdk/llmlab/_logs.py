"""What the SDK has to say, once in a while."""

import logging
import time

log = logging.getLogger("llmlab")
_SECONDS_BETWEEN = 60.0
_said: dict[str, float] = {}


def complain(about: str, message: str, *, fault: bool = False) -> None:
    """Logs a warning, at most one a minute of each kind. `fault` adds the traceback of the error under way."""
    now = time.monotonic()
    if now - _said.get(about, -_SECONDS_BETWEEN) >= _SECONDS_BETWEEN:
        _said[about] = now
        log.warning(message, exc_info=fault)
