"""Parses cells of a file as counts, amounts and timestamps. Raises InvalidValue."""

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
_SMALLEST_AMOUNT = Decimal("1e-15")
# Timestamps from these values on are in milliseconds, microseconds or nanoseconds instead of seconds.
_MILLISECONDS, _MICROSECONDS, _NANOSECONDS = 10**11, 10**14, 10**17


class InvalidValue(Exception):
    """A row, or a value in it, is not valid."""


def lookup(row: Mapping[str, Any], path: str) -> Any:
    """The value of a column. `a.b` is the member b of a, which may be JSON text. None if missing or empty."""
    if path in row:
        return _empty_to_none(row[path])
    name, dot, rest = path.partition(".")
    while dot:
        if name in row and (inner := as_object(row[name])):
            return lookup(inner, rest)
        more, dot, rest = rest.partition(".")
        name = f"{name}.{more}"
    return None


def as_object(value: Any) -> Mapping[str, Any]:
    """The value as an object: itself, or parsed from JSON text. Empty if it is neither."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value, parse_float=Decimal)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def first(row: Mapping[str, Any], *paths: str) -> Any:
    """The value of the first column that is not empty."""
    return next((found for path in paths if (found := lookup(row, path)) is not None), None)


def number(value: Any) -> Decimal | None:
    """A number, or None for an empty value. Raises InvalidValue."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        raise InvalidValue(f"{_quoted(value)} is not a number")
    text = str(value).strip()
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise InvalidValue(f"{_quoted(value)} is not a number") from None
    if not found.is_finite():
        raise InvalidValue(f"{_quoted(value)} is not a number")
    return found


def count(value: Any) -> int | None:
    """A whole number, also if written as 10.0, or None for an empty value. Raises InvalidValue."""
    found = number(value)
    if found is None:
        return None
    if found < 0 or found > 10**12 or found != int(found):
        raise InvalidValue(f"{_quoted(value)} is not a count")
    return int(found)


def usd(value: Any) -> Decimal | None:
    """An amount in USD, rounded to the 15 decimal places that LLMLab stores. Raises InvalidValue."""
    found = number(value.strip().removeprefix("$") if isinstance(value, str) else value)
    if found is None:
        return None
    if not 0 <= found <= 10_000_000:
        raise InvalidValue(f"{_quoted(value)} is not an amount in USD")
    return found.quantize(_SMALLEST_AMOUNT).normalize() if found.as_tuple().exponent < -15 else found  # type: ignore[operator]


def moment(value: Any) -> datetime | None:
    """A UTC time from RFC 3339 text (UTC if it has no zone) or a Unix timestamp. Raises InvalidValue."""
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
            raise InvalidValue(f"{_quoted(value)} is not a timestamp") from None
    try:
        since = number(value)
        assert since is not None
        for least, unit in ((_NANOSECONDS, 10**9), (_MICROSECONDS, 10**6), (_MILLISECONDS, 1000)):
            if since >= least:
                since /= unit
                break
        return datetime.fromtimestamp(0, timezone.utc) + timedelta(microseconds=int(since * 10**6))
    except (InvalidValue, OverflowError):
        raise InvalidValue(f"{_quoted(value)} is not a timestamp") from None


def _zone(text: str | None) -> timezone:
    if text is None or text in ("Z", "z", "UTC"):
        return timezone.utc
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _empty_to_none(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() in ("", "null", "none", "nan") else value


def _quoted(value: Any) -> str:
    text = str(value)
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
