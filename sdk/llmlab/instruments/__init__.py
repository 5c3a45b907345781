"""Patches the clients of model vendors, so that each call of theirs is tracked. What they answer stays as it is.

Calls are observed where the client makes them, so one that it tries again is one event; the event's id is the vendor's
id of the answer. A stream of OpenAI chat completions is asked for its usage (`stream_options={"include_usage": True}`)
unless the caller says otherwise; the extra event, which holds nothing else, is kept from the caller. What a vendor has
not told of a stream that was cut short is estimated, a token for three bytes of text, and `"estimated": true` is in the
metadata of the event. Before a call, when something depends on how long it is, its prompt is estimated the same way.
"""

import sys
import threading
from collections.abc import Callable

from llmlab._errors import ConfigurationError
from llmlab._logs import complain
from llmlab.instruments import anthropic, cohere, google, mistral, openai
from llmlab.instruments.imports import WhenImported
from llmlab.instruments.patches import Patch

__all__ = ["instrument", "uninstrument"]

_PATCHES: dict[str, Callable[[], list[Patch]]] = {
    "anthropic": anthropic.patches,
    "cohere": cohere.patches,
    "google": google.patches,
    "mistral": mistral.patches,
    "openai": openai.patches,
}
# The module whose import brings the vendor's client.
_MODULES = {
    "anthropic": "anthropic",
    "cohere": "cohere",
    "google.genai": "google",
    "mistralai": "mistral",
    "mistralai.client": "mistral",
    "openai": "openai",
}
_lock = threading.RLock()
_wanted: set[str] = set()
_applied: dict[str, list[Patch]] = {}


def instrument(*vendors: str) -> None:
    """Tracks every call of the vendors' clients: anthropic, cohere, google, mistral and openai, or those named.

    A client that is imported later is patched then; one that is not installed is left out. Instrumenting twice changes
    nothing. Raises ConfigurationError for the name of no vendor.
    """
    with _lock:
        _wanted.update(_known(vendors))
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
        for module in _MODULES:
            if module in sys.modules:
                _patch(module)


def uninstrument(*vendors: str) -> None:
    """Puts the functions of the vendors' clients back, or those of all. Calls under way are still tracked."""
    with _lock:
        for vendor in _known(vendors):
            _wanted.discard(vendor)
            for patch in _applied.pop(vendor, ()):
                patch.undo()
        if not _wanted and _finder in sys.meta_path:
            sys.meta_path.remove(_finder)


def _known(vendors: tuple[str, ...]) -> tuple[str, ...]:
    unknown = sorted(set(vendors) - _PATCHES.keys())
    if unknown:
        raise ConfigurationError(f"there is no vendor {', '.join(unknown)}; there are {', '.join(_PATCHES)}")
    return vendors or tuple(_PATCHES)


def _patch(module: str) -> None:
    vendor = _MODULES[module]
    with _lock:
        if vendor not in _wanted or vendor in _applied:
            return
        try:
            patches = _PATCHES[vendor]()
        except Exception as error:
            # Nothing of `mistralai` is there yet if its client is a module of its own.
            if module != "mistralai":
                complain(vendor, f"Calls of {module} are not tracked: {error}")
            return
        _applied[vendor] = [patch for patch in patches if _apply(patch, module)]


def _apply(patch: Patch, module: str) -> bool:
    try:
        patch.apply()
    except AttributeError as error:
        complain(module, f"Some calls of {module} are not tracked: {error}")
        return False
    return True


_finder = WhenImported(tuple(_MODULES), _patch)
