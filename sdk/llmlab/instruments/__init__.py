"""Patches the clients of providers to record every call. Their answers stay unchanged.

A call with retries of the client is one event, and its id is the provider's id of the answer. Streams of OpenAI chat
completions are requested with `stream_options={"include_usage": True}` unless the caller sets that option; the extra
usage chunk is hidden from the caller. Missing usage of a stream that ended early is estimated at one token per three
bytes of text, with `"estimated": true` in the metadata of the event. Prompts are estimated the same way before a call
if a budget or a token limit applies.
"""

import sys
import threading
from collections.abc import Callable

from llmlab._errors import ConfigurationError
from llmlab._logs import warn
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
# Vendors by the module whose import loads their client.
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
    """Records every call of the clients of anthropic, cohere, google, mistral and openai, or of the named ones.

    A client imported later is patched on import. Clients that are not installed are ignored. Calling it twice has no
    effect. Raises ConfigurationError for an unknown name.
    """
    with _lock:
        _wanted.update(_known(vendors))
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
        for module in _MODULES:
            if module in sys.modules:
                _patch(module)


def uninstrument(*vendors: str) -> None:
    """Restores the functions of the named clients, or of all. Calls in progress are still recorded."""
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
        raise ConfigurationError(f"unknown vendor {', '.join(unknown)}; supported are {', '.join(_PATCHES)}")
    return vendors or tuple(_PATCHES)


def _patch(module: str) -> None:
    vendor = _MODULES[module]
    with _lock:
        if vendor not in _wanted or vendor in _applied:
            return
        try:
            patches = _PATCHES[vendor]()
        except Exception as error:
            # `mistralai` is empty at first if its client is the module `mistralai.client`.
            if module != "mistralai":
                warn(vendor, f"Calls of {module} are not recorded: {error}")
            return
        _applied[vendor] = [patch for patch in patches if _apply(patch, module)]


def _apply(patch: Patch, module: str) -> bool:
    try:
        patch.apply()
    except AttributeError as error:
        warn(module, f"Some calls of {module} are not recorded: {error}")
        return False
    return True


_finder = WhenImported(tuple(_MODULES), _patch)
