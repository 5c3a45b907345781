"""Cells of a file as values: counts, money, times. Raises Wrong for what is none."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

_GROUPED = re.compile(r"\d{1,3}(,\d{3})+")
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?\s*([Zz]|UTC|[+-]\d\d(?::?\d\d)?)?"
)
_LAST_DIGIT = Decimal("1e-15")
# Numbers from here on are milliseconds, microseconds or nanoseconds since 1970, and no seconds.
_MILLISECONDS, _MICROSECONDS, _NANOSECONDS = 10**11, 10**14, 10**17


class Wrong(Exception):
    """Something in a row is not what it should be."""


def lookup(row: Mapping[str, Any], path: str) -> Any:
    """What stands in a column; `a.b` is b within a, which may be JSON as text. None where there is nothing."""
    if path in row:
        return _nothing(row[path])
    name, dot, rest = path.partition(".")
    while dot:
        if name in row and (inner := as_object(row[name])):
            return lookup(inner, rest)
        more, dot, rest = rest.partition(".")
        name = f"{name}.{more}"
    return None


def as_object(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, or a text that holds one; else an empty one."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value, parse_float=Decimal)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def first(row: Mapping[str, Any], *paths: str) -> Any:
    """The first of several columns that holds something."""
    return next((found for path in paths if (found := lookup(row, path)) is not None), None)


def number(value: Any) -> Decimal | None:
    """A number; None for nothing. Raises Wrong."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        raise Wrong(f"{_shown(value)} is no number")
    text = str(value).strip()
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise Wrong(f"{_shown(value)} is no number") from None
    if not found.is_finite():
        raise Wrong(f"{_shown(value)} is no number")
    return found


def count(value: Any) -> int | None:
    """A whole number, also if it is written 10.0. Raises Wrong."""
    found = number(value)
    if found is None:
        return None
    if found < 0 or found > 10**12 or found != int(found):
        raise Wrong(f"{_shown(value)} is no count")
    return int(found)


def usd(value: Any) -> Decimal | None:
    """An amount, with as many digits as LLMLab stores. Raises Wrong."""
    found = number(value.strip().removeprefix("$") if isinstance(value, str) else value)
    if found is None:
        return None
    if not 0 <= found <= 10_000_000:
        raise Wrong(f"{_shown(value)} is no amount of USD")
    return found.quantize(_LAST_DIGIT).normalize() if found.as_tuple().exponent < -15 else found  # type: ignore[operator]


def moment(value: Any) -> datetime | None:
    """A time in UTC: RFC 3339 with as many digits as there are, or a number since 1970. Without a zone it is UTC."""
    if value is None or value == "" or isinstance(value, datetime):
        return value or None
    if isinstance(value, str) and (found := _TIME.fullmatch(value.strip())):
        year, month, day, hour, minute, second, fraction, zone = found.groups()
        try:
            at = datetime(
                int(year),
                int(month),
                int(day),
                int(hour or 0),
                int(minute or 0),
                int(second or 0),
                int((fraction or "0")[:6].ljust(6, "0")),
                _zone(zone),
            )
            return at.astimezone(timezone.utc)
        except (ValueError, OverflowError):
            raise Wrong(f"{_shown(value)} is no time") from None
    try:
        since = number(value)
        assert since is not None
        for beyond, unit in ((_NANOSECONDS, 10**9), (_MICROSECONDS, 10**6), (_MILLISECONDS, 1000)):
            if since >= beyond:
                since /= unit
                break
        return datetime.fromtimestamp(0, timezone.utc) + timedelta(microseconds=int(since * 10**6))
    except (Wrong, OverflowError):
        raise Wrong(f"{_shown(value)} is no time") from None


def _zone(text: str | None) -> timezone:
    if text is None or text in ("Z", "z", "UTC"):
        return timezone.utc
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _nothing(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() in ("", "null", "none", "nan") else value


def _shown(value: Any) -> str:
    text = str(value)
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
