"""What all schemas are made of: constrained field types, and the base classes of requests, answers and rows.

Money is USD as Decimal, and a plain JSON number on the wire. Times are aware and in UTC. Token counts are integers.
The schemas themselves are in schemas/, one file for each noun.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    SecretStr,
    StringConstraints,
    WithJsonSchema,
)

from utils import json
from utils.time import restore_plus

# Constrained field types

NO_CONTROL_CHARACTERS = r"^[^\x00-\x1f\x7f]*$"
METADATA_BYTES = 16 * 1024
MAX_TOKENS = 1_000_000_000

Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=NO_CONTROL_CHARACTERS)]
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=NO_CONTROL_CHARACTERS)]
ModelPattern = Annotated[
    str,
    StringConstraints(min_length=1, max_length=256, pattern=r"^(?:[^*\x00-\x1f\x7f]*\*){0,3}[^*\x00-\x1f\x7f]*$"),
]
ProviderName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, pattern=NO_CONTROL_CHARACTERS, to_lower=True, strip_whitespace=True),
]
Email = Annotated[
    str,
    StringConstraints(
        max_length=254,
        # Regex engines disagree on whether \s matches \x85 and \ufeff, so both are listed.
        pattern=r"^[^@\s\x00-\x1f\x7f-\x9f\ufeff]+@[^@\s\x00-\x1f\x7f-\x9f\ufeff]+\.[^@\s.\x00-\x1f\x7f-\x9f\ufeff]+$",
        to_lower=True,
    ),
]
Password = Annotated[str, StringConstraints(min_length=8, max_length=128, pattern=NO_CONTROL_CHARACTERS)]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_CONTROL_CHARACTERS)]
Tokens = Annotated[int, Field(strict=True, ge=0, le=MAX_TOKENS)]
LongText = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]
Role = Literal["admin", "viewer"]
Scope = Literal["events:write", "read", "admin"]
Status = Literal["success", "error", "timeout"]
Period = Literal["daily", "weekly", "monthly", "quarterly", "yearly", "custom"]
# The workspace setting that a call violates.
Violation = Literal["model_disabled", "token_limit"]
Usd = Annotated[Decimal, WithJsonSchema({"type": "number"})]
Percent = Annotated[Decimal, WithJsonSchema({"type": "number"})]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be the name of a time zone, such as Europe/Berlin or UTC") from None
    return name


def printable(secret: SecretStr) -> SecretStr:
    """Refuses a secret with characters that are not allowed in a header or URL."""
    if not (secret.get_secret_value().isascii() and secret.get_secret_value().isprintable()):
        raise ValueError("must contain only printable ASCII characters")
    return secret


def _parse_time(value: object) -> object:
    if isinstance(value, datetime):
        return value
    # Pydantic would accept more, such as seconds since 1970. Those do not begin with a year.
    if not isinstance(value, str) or value[4:5] != "-" or value[10:11] not in ("T", "t", " "):
        raise ValueError("must be a time in the format of RFC 3339, such as 2026-01-31T12:00:00Z")
    return restore_plus(value)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be a time in the years 1 to 9999") from None


def _number(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError("must be a number")
    return value


def _as_json(value: object) -> str | None:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    too_large = ValueError(f"must be at most {METADATA_BYTES} bytes as JSON")
    # Each value takes at least two bytes. Values are counted first: writing a huge object would block the event loop.
    if _remaining_room(value, METADATA_BYTES // 2) < 0:
        raise too_large
    try:
        text = json.dumps(value)
    except TypeError as error:
        raise ValueError(f"cannot be stored: {error}") from None
    if len(text) > METADATA_BYTES:
        raise too_large
    if b"\\u0000" in text:
        raise ValueError("must not contain NUL characters")
    return text.decode() if value else None


def _remaining_room(value: object, room: int) -> int:
    """`room` minus the number of values in an object or list; negative if there are more."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    room -= len(inner)
    for each in inner:
        if room < 0:
            break
        if isinstance(each, dict | list):
            room = _remaining_room(each, room)
    return room


Milliseconds = Annotated[float, Field(ge=0, le=86_400_000), BeforeValidator(_number)]
TimeZone = Annotated[
    str,
    StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$"),
    AfterValidator(_known_zone),
]
Time = Annotated[AwareDatetime, BeforeValidator(_parse_time), AfterValidator(_in_utc)]
# A JSON object, checked and serialized for storage; None if it is empty.
Metadata = Annotated[
    str | None, PlainValidator(_as_json), WithJsonSchema({"type": "object", "additionalProperties": True})
]


# Base classes


class Request(BaseModel):
    """What a caller sends. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """What a caller receives. Its name, docstring and field descriptions are part of the OpenAPI document."""

    model_config = ConfigDict(frozen=True)


class Row(BaseModel):
    """What a SQL function returns to the engines. It is never sent to a caller."""

    model_config = ConfigDict(frozen=True)


class DateRange(Answer):
    """A date range: `start` is inclusive, `end` exclusive."""

    start: datetime
    end: datetime
