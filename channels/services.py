"""Messages for services that are supported by Apprise. Importing this requires Apprise, an optional package."""

import logging
import threading
from contextlib import nullcontext
from contextvars import ContextVar

from apprise import Apprise, AppriseAsset, NotifyBase, PersistentStoreMode

from channels.errors import Refused, Undelivered
from utils.addresses import public_only

# Plugins that act on the machine they run on, or read its files.
_LOCAL = frozenset(
    {"blink1", "dbus", "fcm", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "vapid", "windows"}
)
_ASSET = AppriseAsset(
    app_id="LLMLab",
    app_desc="LLMLab",
    async_mode=False,
    http_redirects=False,
    pgp_autogen=False,
    pem_autogen=False,
    storage_mode=PersistentStoreMode.MEMORY,
    allow_templates=False,
)

_warnings: ContextVar[list[str] | None] = ContextVar("warnings", default=None)


def host_of(url: str) -> str | None:
    """The host that a URL connects to; None if its service has a fixed host.

    Raises Refused for a URL that is not valid, or that acts on this machine.
    """
    plugin = _plugin(url, 0)
    templates: tuple[str, ...] = plugin.templates
    if not any("{host}" in template for template in templates):
        return None
    host = getattr(plugin, "smtp_host", None) or getattr(plugin, "host", None)
    return str(host) if host else None


def notify(url: str, title: str, body: str, seconds: float, *, allow_private: bool) -> None:
    """Sends a message. Raises Undelivered with the messages of Apprise, and Refused.

    `seconds` is the timeout of a connection.
    """
    warnings: list[str] = []
    _warnings.set(warnings)
    plugin = _plugin(url, seconds)
    with nullcontext() if allow_private else public_only():
        sent = plugin.notify(title=title, body=body, body_format="text")
    if not sent:
        raise Undelivered("; ".join(warnings)[:500] or "The service did not accept the message")


def _plugin(url: str, seconds: float) -> NotifyBase:
    with _loading:
        plugin = Apprise.instantiate(url, asset=_ASSET)
    if not isinstance(plugin, NotifyBase):
        raise Refused("This is not a valid URL for Apprise")
    if _LOCAL & plugin.schemas():  # type: ignore[no-untyped-call]
        raise Refused("This service acts on the server itself, which is not allowed")
    # These options of the URL are overridden.
    plugin.redirects = False
    plugin.socket_connect_timeout = plugin.socket_read_timeout = seconds
    return plugin


class _Listener(logging.Handler):
    """Collects the warnings of Apprise for the sender, because Apprise returns only whether it succeeded."""

    def emit(self, record: logging.LogRecord) -> None:
        warnings = _warnings.get()
        if warnings is not None:
            warnings.append(record.getMessage())


# Apprise loads its plugins on first use, possibly in several threads.
_loading = threading.Lock()
_apprise_log = logging.getLogger("apprise")
_apprise_log.addHandler(_Listener(logging.WARNING))
_apprise_log.propagate = False
