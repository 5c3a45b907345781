"""Outgoing messages: signed webhooks, Slack, Discord and e-mail, and other services through Apprise."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from channels import chats, mails
from channels.errors import Refused, Undelivered
from channels.service_urls import option_names
from utils import json
from utils.addresses import NotPublic, Unresolved, addresses_of
from utils.errors import NotInstalled
from utils.extras import require
from utils.tls import trusted

TIMEOUT_SECONDS = 10
SIGNATURE_HEADER = "X-LLMLab-Signature"
DELIVERY_HEADER = "X-LLMLab-Delivery"
# Parameters that name a file on the server.
_FILES = frozenset({"keyfile", "pgppub", "pgpprv", "subfile", "template"})
# Maximum size of a response that is read.
_MOST_BYTES = 65_536
_KINDS = {chats.Slack: "slack", chats.Discord: "discord", mails.Mail: "email"}
_KIND_NAMES = {"slack": "a Slack", "discord": "a Discord", "email": "an e-mail"}
_SCHEMES = {"slack": ("slack://",), "discord": ("discord://",), "email": ("mailto://", "mailtos://")}


def signature(secret: str, at: int, body: bytes) -> str:
    """The signature of a body at a time in seconds since 1970: HMAC-SHA256 of "<t>." and the body, in hex."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class Outbound:
    """Checks targets of messages, and sends messages. All targets must be public unless private ones are allowed."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        # Connections are not kept alive: the next message to the same IP address may be for another host.
        self._http = httpx.AsyncClient(
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            verify=trusted(),
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def check(self, kind: str, url: str) -> str:
        """The part of a channel's URL that may be shown.

        Raises Refused, and NotInstalled for a service that requires a missing package. A host that cannot be resolved
        is accepted: it is resolved again before every message.
        """
        if kind == "webhook":
            parts = _web_parts(url)
            host: str | None = parts.host
            port = parts.port or 443
            shown = f"{parts.scheme}://{parts.netloc.decode()}"
        else:
            host, port = await self._service(kind, url)
            shown = _shown(url, host)
        if host:
            try:
                await addresses_of(host, port, allow_private=self._allow_private)
            except NotPublic as error:
                raise Refused(f"{error}; set ALLOW_PRIVATE_WEBHOOKS to allow it") from None
            except Unresolved:
                pass
        return shown

    async def _service(self, kind: str, url: str) -> tuple[str | None, int]:
        """The host of a URL, or None if its service has a fixed host, and the port."""
        direct = _read(url)
        if direct is not None:
            if kind not in ("other", _KINDS[type(direct)]):
                raise Refused(f"This is not {_KIND_NAMES[kind]} URL")
            return (direct.host, direct.port) if isinstance(direct, mails.Mail) else (None, 443)
        if kind in _SCHEMES and not url.lower().startswith(_SCHEMES[kind]):
            raise Refused(f"This is not {_KIND_NAMES[kind]} URL")
        require("apprise", "This service")
        from channels import services

        # The first call loads all plugins, which takes a tenth of a second.
        return await asyncio.to_thread(services.host_of, url), 443

    async def webhook(self, url: str, secret: str, delivery_id: str, body: bytes) -> None:
        """Posts signed JSON. Raises Undelivered unless the status is 2xx."""
        at = int(time.time())
        headers = {SIGNATURE_HEADER: signature(secret, at, body), DELIVERY_HEADER: delivery_id}
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._post(url, headers, body)
        except TimeoutError:
            raise Undelivered(f"No response within {TIMEOUT_SECONDS} s") from None

    async def notify(self, url: str, title: str, body: str) -> None:
        """Sends a message for people. Raises Undelivered with the reason."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                direct = _read(url)
                if isinstance(direct, mails.Mail):
                    addresses = await self._addresses(direct.host, direct.port)
                    await mails.send(direct, addresses, title, body, TIMEOUT_SECONDS / 2)
                elif direct is not None:
                    await self._post_all(direct.posts(title, body))
                else:
                    await self._notify_by_apprise(url, title, body)
        except TimeoutError:
            raise Undelivered(f"No response within {TIMEOUT_SECONDS} s") from None
        except Refused as error:
            raise Undelivered(str(error)) from None

    async def _notify_by_apprise(self, url: str, title: str, body: str) -> None:
        try:
            require("apprise", "This service")
        except NotInstalled as error:
            raise Undelivered(error.detail) from None
        from channels import services

        await asyncio.to_thread(
            services.notify, url, title, body, TIMEOUT_SECONDS / 2, allow_private=self._allow_private
        )

    async def _post_all(self, posts: list[chats.Post]) -> None:
        """Sends all requests, even if one fails. Raises Undelivered with the failures."""
        faults = []
        for post in posts:
            try:
                answer = await self._post(post.url, post.headers, json.dumps(post.payload), read=post.answers_ok)
                if post.answers_ok and (fault := _fault_of(answer)):
                    faults.append(fault)
            except Undelivered as error:
                faults.append(str(error))
        if faults:
            raise Undelivered("; ".join(dict.fromkeys(faults))[:500])

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes, *, read: bool = False) -> bytes:
        """Posts JSON to the IP address that was checked; returns the beginning of the response if `read` is set.

        Raises Undelivered unless the status is 2xx.
        """
        parts = _web_parts(url)
        headers = {
            "Host": parts.netloc.decode(),
            "Content-Type": "application/json",
            "User-Agent": "LLMLab",
            **headers,
        }
        addresses = await self._addresses(parts.host, parts.port or (443 if parts.scheme == "https" else 80))
        for number, address in enumerate(addresses, 1):
            request = self._http.build_request(
                "POST",
                parts.copy_with(host=address),
                headers=headers,
                content=body,
                extensions={"sni_hostname": parts.host},
            )
            try:
                return await self._answer(request, read=read)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if number == len(addresses):
                    raise Undelivered(str(error) or type(error).__name__) from None
            except httpx.HTTPError as error:
                raise Undelivered(str(error) or type(error).__name__) from None
        raise Undelivered(f"The host {parts.host} has no address")

    async def _answer(self, request: httpx.Request, *, read: bool) -> bytes:
        response = await self._http.send(request, stream=True)
        try:
            if not response.is_success:
                raise Undelivered(f"The receiver responded with status {response.status_code}")
            answer = b""
            if read:
                async for piece in response.aiter_raw():
                    answer += piece
                    if len(answer) > _MOST_BYTES:
                        break
            return answer
        finally:
            await response.aclose()

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            return await addresses_of(host, port, allow_private=self._allow_private)
        except (NotPublic, Unresolved) as error:
            raise Undelivered(str(error)) from None


def _read(url: str) -> chats.Slack | chats.Discord | mails.Mail | None:
    """Parses a URL of Slack, Discord or e-mail; None for any other, which requires Apprise. Raises Refused."""
    if _FILES & option_names(url):
        raise Refused("The URL must not name files on the server")
    return chats.read_slack(url) or chats.read_discord(url) or mails.read_mail(url)


def _web_parts(url: str) -> httpx.URL:
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError, TypeError):
        raise Refused("This is not a web URL") from None
    if parts.scheme not in ("http", "https") or not parts.host:
        raise Refused("The URL of a webhook must begin with https:// or http://")
    return parts.copy_with(fragment=None)


def _shown(url: str, host: str | None) -> str:
    """The scheme and host of a URL. Some services have a token instead of a host, which is left out: it has no dot."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.hostname}"
    return f"{parts.scheme}://{host if host and ('.' in host or ':' in host or host == 'localhost') else ''}"


def _fault_of(answer: bytes) -> str | None:
    """The error in a response of Slack's API, if any."""
    try:
        parsed = json.loads(answer)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict) and parsed.get("ok") is True:
        return None
    error = parsed.get("error") if isinstance(parsed, dict) else None
    return f"Slack returned the error {str(error)[:100]}" if error else "Slack did not accept the message"
