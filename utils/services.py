"""Messages for the services that only Apprise knows. Importing this needs Apprise, which is an optional package."""

import logging
import threading
from contextlib import nullcontext
from contextvars import ContextVar

from apprise import Apprise, AppriseAsset, NotifyBase, PersistentStoreMode

from utils.addresses import public_only
from utils.refusals import Refused, Undelivered

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

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


def host_of(url: str) -> str | None:
    """The host that an address connects to, if it may name any.

    Raises Refused for what is no address, and for one that acts on this machine.
    """
    plugin = _plugin(url, 0)
    templates: tuple[str, ...] = plugin.templates
    if not any("{host}" in template for template in templates):
        return None
    host = getattr(plugin, "smtp_host", None) or getattr(plugin, "host", None)
    return str(host) if host else None


def notify(url: str, title: str, body: str, seconds: float, *, allow_private: bool) -> None:
    """Sends a message. Raises Undelivered with what Apprise said, and Refused.

    A connection that is not answered for `seconds` is given up.
    """
    heard: list[str] = []
    _heard.set(heard)
    plugin = _plugin(url, seconds)
    with nullcontext() if allow_private else public_only():
        sent = plugin.notify(title=title, body=body, body_format="text")
    if not sent:
        raise Undelivered("; ".join(heard)[:500] or "The service did not take the message")


def _plugin(url: str, seconds: float) -> NotifyBase:
    with _loading:
        plugin = Apprise.instantiate(url, asset=_ASSET)
    if not isinstance(plugin, NotifyBase):
        raise Refused("Apprise cannot read this address")
    if _LOCAL & plugin.schemas():  # type: ignore[no-untyped-call]
        raise Refused("This would act on the server itself")
    # What the address says of these does not count.
    plugin.redirects = False
    plugin.socket_connect_timeout = plugin.socket_read_timeout = seconds
    return plugin


class _Listener(logging.Handler):
    """Keeps what Apprise complains about for whoever is sending: it answers only whether it worked."""

    def emit(self, record: logging.LogRecord) -> None:
        heard = _heard.get()
        if heard is not None:
            heard.append(record.getMessage())


# Apprise loads its plugins when it is first asked, and several threads may ask.
_loading = threading.Lock()
_apprise_log = logging.getLogger("apprise")
_apprise_log.addHandler(_Listener(logging.WARNING))
_apprise_log.propagate = False
