"""Messages to the world outside: signed webhooks, and through Apprise every service that it knows."""

import asyncio
import hashlib
import hmac
import logging
import threading
import time
from contextlib import nullcontext
from contextvars import ContextVar
from urllib.parse import parse_qsl, urlsplit

import httpx
from apprise import Apprise, AppriseAsset, NotifyBase, PersistentStoreMode

from utils.addresses import NotPublic, Unresolved, addresses_of, public_only
from utils.tls import trusted

TIMEOUT_SECONDS = 10
SIGNATURE_HEADER = "X-LLMLab-Signature"
DELIVERY_HEADER = "X-LLMLab-Delivery"
# Plugins that act on the machine they run on, or read its files.
_LOCAL = frozenset(
    {"blink1", "dbus", "fcm", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "vapid", "windows"}
)
# Parameters that name a file of the machine.
_FILES = frozenset({"keyfile", "pgppub", "pgpprv", "subfile"})
_NATIVE = {"slack": "NotifySlack", "discord": "NotifyDiscord", "email": "NotifyEmail"}

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


class Refused(Exception):
    """This address cannot be used"""


class Undelivered(Exception):
    """The message did not arrive"""


def signature(secret: str, at: int, body: bytes) -> str:
    """The signature of a body at a time in seconds since 1970: HMAC-SHA256 of "<t>." and the body, in hex."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class Outbound:
    """Checks where messages shall go, and sends them. Unless private targets are allowed, all must be public."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        # No connection is kept: the next message for the same address may be for another host.
        self._http = httpx.AsyncClient(
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            verify=trusted(),
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self._asset = AppriseAsset(
            app_id="LLMLab",
            app_desc="LLMLab",
            async_mode=False,
            http_redirects=False,
            pgp_autogen=False,
            pem_autogen=False,
            storage_mode=PersistentStoreMode.MEMORY,
            allow_templates=False,
        )

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._http.aclose()

    async def check(self, kind: str, url: str) -> str:
        """What may be shown of the address of a channel. Raises Refused, saying why.

        A name that cannot be resolved is no fault: it may be tomorrow, and is looked up again before every message.
        """
        if kind == "webhook":
            parts = _web_parts(url)
            hosts = [(parts.host, parts.port or 443)]
            shown = f"{parts.scheme}://{parts.netloc.decode()}"
        else:
            # The first one loads all plugins, which takes a tenth of a second.
            plugin = await asyncio.to_thread(self._plugin, url)
            if kind in _NATIVE and type(plugin).__name__ != _NATIVE[kind]:
                raise Refused(f"This is not an address of {kind}")
            host = _host_of(plugin)
            hosts = [] if host is None else [(host, 443)]
            shown = _shown(url, host)
        for host, port in hosts:
            try:
                await addresses_of(host, port, allow_private=self._allow_private)
            except NotPublic as error:
                raise Refused(f"{error}; ALLOW_PRIVATE_WEBHOOKS would allow it") from None
            except Unresolved:
                pass
        return shown

    async def webhook(self, url: str, secret: str, delivery_id: str, body: bytes) -> None:
        """Posts JSON, signed, to the very address that was checked. Raises Undelivered for anything but a 2xx."""
        parts = _web_parts(url)
        at = int(time.time())
        headers = {
            "Host": parts.netloc.decode(),
            "Content-Type": "application/json",
            "User-Agent": "LLMLab",
            SIGNATURE_HEADER: signature(secret, at, body),
            DELIVERY_HEADER: delivery_id,
        }
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                port = parts.port or (443 if parts.scheme == "https" else 80)
                addresses = await addresses_of(parts.host, port, allow_private=self._allow_private)
                status = await self._post(parts, addresses, headers, body)
        except (NotPublic, Unresolved) as error:
            raise Undelivered(str(error)) from None
        except TimeoutError:
            raise Undelivered(f"No answer within {TIMEOUT_SECONDS} s") from None
        except httpx.HTTPError as error:
            raise Undelivered(str(error) or type(error).__name__) from None
        if not 200 <= status < 300:
            raise Undelivered(f"The receiver answered {status}")

    async def _post(self, url: httpx.URL, addresses: list[str], headers: dict[str, str], body: bytes) -> int:
        """The status of the first address that can be connected to."""
        for number, address in enumerate(addresses, 1):
            request = self._http.build_request(
                "POST",
                url.copy_with(host=address),
                headers=headers,
                content=body,
                extensions={"sni_hostname": url.host},
            )
            try:
                response = await self._http.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if number == len(addresses):
                    raise
                continue
            # What it says beyond the status nobody reads, however long it is.
            await response.aclose()
            return response.status_code
        raise Unresolved(f"The host {url.host} has no address")

    async def notify(self, url: str, title: str, body: str) -> None:
        """Sends a message through Apprise. Raises Undelivered with what it said."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await asyncio.to_thread(self._notify, url, title, body)
        except TimeoutError:
            raise Undelivered(f"No answer within {TIMEOUT_SECONDS} s") from None
        except Refused as error:
            raise Undelivered(str(error)) from None

    def _notify(self, url: str, title: str, body: str) -> None:
        heard: list[str] = []
        _heard.set(heard)
        plugin = self._plugin(url)
        with nullcontext() if self._allow_private else public_only():
            sent = plugin.notify(title=title, body=body, body_format="text")
        if not sent:
            raise Undelivered("; ".join(heard)[:500] or "The service did not take the message")

    def _plugin(self, url: str) -> NotifyBase:
        """The plugin for an address. Raises Refused for what is none, and for one that acts on this machine."""
        if _FILES & {name.lower() for name, _ in parse_qsl(urlsplit(url).query)}:
            raise Refused("An address must not name files of the server")
        with _loading:
            plugin = Apprise.instantiate(url, asset=self._asset)
        if not isinstance(plugin, NotifyBase):
            raise Refused("Apprise cannot read this address")
        if _LOCAL & plugin.schemas():  # type: ignore[no-untyped-call]
            raise Refused("This would act on the server itself")
        # What the address says of these does not count.
        plugin.redirects = False
        plugin.socket_connect_timeout = plugin.socket_read_timeout = TIMEOUT_SECONDS / 2
        return plugin


def _web_parts(url: str) -> httpx.URL:
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError, TypeError):
        raise Refused("This is not a web address") from None
    if parts.scheme not in ("http", "https") or not parts.host:
        raise Refused("A webhook's address begins with https:// or http://")
    return parts.copy_with(fragment=None)


def _host_of(plugin: NotifyBase) -> str | None:
    """The host a plugin connects to, if its address may name any."""
    templates: tuple[str, ...] = plugin.templates
    if not any("{host}" in template for template in templates):
        return None
    host = getattr(plugin, "smtp_host", None) or getattr(plugin, "host", None)
    return str(host) if host else None


def _shown(url: str, host: str | None) -> str:
    """The scheme and the host of an address. Where others have a host, some services have a token: that has no dot."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.hostname}"
    return f"{parts.scheme}://{host if host and ('.' in host or ':' in host or host == 'localhost') else ''}"


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
