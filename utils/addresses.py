"""Which hosts the server may connect to for somebody else, those on the public internet; and which is this machine."""

import asyncio
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

# Addresses of IPv4 hosts in IPv6 clothes (RFC 6052): they lead wherever the IPv4 address leads.
_NAT64 = IPv6Network("64:ff9b::/96")
_public_only: ContextVar[bool] = ContextVar("public_only", default=False)


class NotPublic(Exception):
    """The host has an address that is not public"""


class Unresolved(Exception):
    """The host's name cannot be resolved"""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet: not private, loopback, link-local, multicast and the like.

    An IPv6 address that holds an IPv4 address is not. What is no IP address at all is not either.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and (ip.ipv4_mapped or ip.sixtofour or ip.teredo or ip in _NAT64):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def is_loopback(host: str) -> bool:
    """Whether a host, by its address or as localhost, is the machine that asks."""
    try:
        ip = ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    return (ip.ipv4_mapped or ip).is_loopback if isinstance(ip, IPv6Address) else ip.is_loopback


async def addresses_of(host: str, port: int, *, allow_private: bool) -> list[str]:
    """The IP addresses of a host, in the order to try. Raises Unresolved, and NotPublic when any one is private."""
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
    """Within it this thread cannot connect to an address that is not public, whatever a name resolves to by then.

    This holds for sockets of Python's own, as libraries for blocking code use them, not for those of an event loop.
    """
    _watch_sockets()
    token = _public_only.set(True)
    try:
        yield
    finally:
        _public_only.reset(token)


@cache
def _watch_sockets() -> None:
    """Python tells an audit hook of every connection before it is made, and the hook may forbid it."""
    sys.addaudithook(_forbid_private)


def _forbid_private(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg") and _public_only.get():
        address = arguments[1]
        if not (isinstance(address, tuple) and is_public(address[0])):
            raise PermissionError("This address is not public")
