"""JSON in and out without losing a digit."""

import json
from decimal import Decimal
from typing import Any

import jiter
import orjson
from pydantic import BaseModel


def loads(data: bytes) -> Any:
    """Strict JSON to Python; fractions become Decimal, exactly as written.

    Raises json.JSONDecodeError for anything else than JSON: NaN, lone surrogates, repeated keys, nesting over 200.
    """
    try:
        return jiter.from_json(data, allow_inf_nan=False, float_mode="decimal", catch_duplicate_keys=True)
    except ValueError as error:
        raise json.JSONDecodeError(str(error), "", 0) from None


def dumps(value: Any) -> bytes:
    """JSON of plain values, pydantic models, UUIDs and times (RFC 3339); a Decimal is a plain number, every digit."""
    return orjson.dumps(value, default=_default, option=orjson.OPT_UTC_Z)


def _default(value: Any) -> Any:
    if isinstance(value, Decimal):
        if not -400 < value.adjusted() < 400:
            raise TypeError("a number is out of range")
        digits = format(value, "f")
        return orjson.Fragment(digits.rstrip("0").rstrip(".") if "." in digits else digits)
    if isinstance(value, BaseModel):
        return value.__dict__
    raise TypeError(f"{type(value).__name__} has no JSON form")
