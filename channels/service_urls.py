"""URLs of services in the format of Apprise: scheme://user:password@host:port/targets?option=value."""

import re
from typing import NamedTuple
from urllib.parse import unquote

from channels.errors import Refused

_FALSE = re.compile(r"0|f|n|of|de|di", re.IGNORECASE)
_AUTHORITY = re.compile(
    r"(?:(?P<user>[^:]*)(?::(?P<password>.*))?@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^:@]*)(?::(?P<port>\d{1,5}))?"
)


class ServiceUrl(NamedTuple):
    """The decoded parts of a URL. A `#` is an ordinary character: channels begin with it."""

    scheme: str
    user: str
    password: str
    host: str
    port: int | None
    path: list[str]
    options: dict[str, str]
    # Options with a leading "+" in their name, which is removed.
    headers: dict[str, str]

    def allows(self, option: str) -> bool:
        """Whether an option that is on by default is not switched off."""
        return not _FALSE.match(self.options.get(option, ""))

    def wants(self, option: str) -> bool:
        """Whether an option that is off by default is switched on."""
        return bool(self.options.get(option)) and self.allows(option)


def read(url: str) -> ServiceUrl:
    """Parses a URL. Raises Refused if it is not valid."""
    scheme, separator, rest = url.strip().partition("://")
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    parts = _AUTHORITY.fullmatch(authority)
    port = int(parts["port"]) if parts and parts["port"] else None
    if not separator or parts is None or port not in (None, *range(1, 65536)):
        raise Refused("This is not the URL of a service")
    return ServiceUrl(
        scheme=scheme.lower(),
        user=unquote(parts["user"] or ""),
        password=unquote(parts["password"] or ""),
        host=unquote(parts["host"]),
        port=port,
        path=[unquote(part) for part in path.split("/") if part],
        options={name.lower().strip(): value for name, value in _options(query)},
        headers={name[1:]: value for name, value in _options(query) if name.startswith("+")},
    )


def option_names(url: str) -> set[str]:
    """The names of a URL's options, in lower case."""
    return {name.lower().strip() for name, _ in _options(url.partition("?")[2])}


def _options(query: str) -> list[tuple[str, str]]:
    pairs = [option.partition("=") for option in re.split("[&;]", query)]
    return [(unquote(name), unquote(value).strip()) for name, _, value in pairs]
