"""Rate-limited warnings."""

import logging
import time

log = logging.getLogger("llmlab")
_INTERVAL_SECONDS = 60.0
_logged_at: dict[str, float] = {}


def warn(kind: str, message: str, *, traceback: bool = False) -> bool:
    """Logs a warning, at most one per minute and kind. `traceback` adds that of the current exception.

    Returns whether it was logged.
    """
    now = time.monotonic()
    if now - _logged_at.get(kind, -_INTERVAL_SECONDS) >= _INTERVAL_SECONDS:
        _logged_at[kind] = now
        log.warning(message, exc_info=traceback)
        return True
    return False
