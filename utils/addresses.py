"""Checks of hosts that callers name: public addresses only, to prevent server-side request forgery."""

import asyncio
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

# IPv4 addresses embedded in IPv6 (RFC 6052) lead to the IPv4 host.
_NAT64 = IPv6Network("64:ff9b::/96")
_public_only: ContextVar[bool] = ContextVar("public_only", default=False)


class NotPublic(Exception):
    """The host has an address that is not public"""


class Unresolved(Exception):
    """The host's name cannot be resolved"""


def is_public(address: str) -> bool:
    """Whether a text is a public IP address: not private, loopback, link-local, multicast or reserved.

    IPv6 addresses that embed an IPv4 address do not count as public.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and (ip.ipv4_mapped or ip.sixtofour or ip.teredo or ip in _NAT64):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: localhost or a loopback address."""
    try:
        ip = ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    return (ip.ipv4_mapped or ip).is_loopback if isinstance(ip, IPv6Address) else ip.is_loopback


async def addresses_of(host: str, port: int, *, allow_private: bool) -> list[str]:
    """The IP addresses of a host, in the order to try. Raises Unresolved, or NotPublic if any of them is private."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unresolved(f"The host {host} cannot be resolved") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not allow_private and not all(is_public(address) for address in addresses):
        raise NotPublic(f"The host {host} has an address that is not public")
    return addresses


@contextmanager
def public_only() -> Iterator[None]:
    """Prevents connections of this thread to addresses that are not public, whatever a name resolves to.

    It applies to Python's own sockets, which blocking libraries use, but not to those of an event loop.
    """
    _add_audit_hook()
    token = _public_only.set(True)
    try:
        yield
    finally:
        _public_only.reset(token)


@cache
def _add_audit_hook() -> None:
    """Python calls an audit hook before every connection, and the hook may refuse it."""
    sys.addaudithook(_forbid_private)


def _forbid_private(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg") and _public_only.get():
        address = arguments[1]
        if not (isinstance(address, tuple) and is_public(address[0])):
            raise PermissionError("This address is not public")
