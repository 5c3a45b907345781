"""The nouns of LLMLab: what callers send, what they are answered, and what the floors below pass among themselves.

Money is USD as Decimal, and a plain JSON number on the wire. Times are aware and in UTC. Token counts are integers.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AliasChoices,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    SecretStr,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from utils import json
from utils.errors import Invalid
from utils.time import hour_after, hour_before, last_days, midnight

# Types that hold their bounds

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
        # What counts as \s differs between languages; these two are it in some only.
        pattern=r"^[^@\s\x00-\x1f\x7f-\x9f\ufeff]+@[^@\s\x00-\x1f\x7f-\x9f\ufeff]+\.[^@\s.\x00-\x1f\x7f-\x9f\ufeff]+$",
        to_lower=True,
    ),
]
Password = Annotated[str, StringConstraints(min_length=8, max_length=128, pattern=NO_CONTROL_CHARACTERS)]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_CONTROL_CHARACTERS)]
Tokens = Annotated[int, Field(strict=True, ge=0, le=MAX_TOKENS)]
# Up to what every JSON parser reads exactly.
Version = Annotated[int, Field(ge=0, le=2**53 - 1)]
Role = Literal["admin", "viewer"]
Scope = Literal["events:write", "read", "admin"]
Status = Literal["success", "error", "timeout"]
Period = Literal["daily", "weekly", "monthly", "quarterly", "yearly", "custom"]
Digest = Literal["daily", "weekly"]
ChannelKind = Literal["webhook", "slack", "discord", "email", "other"]
# What of a workspace's settings a call breaks.
Violation = Literal["model_disabled", "token_limit"]
# Why the guard refuses a call.
Refusal = Literal["budget", "model_disabled", "token_limit"]
ForecastPeriod = Literal["day", "week", "month", "quarter"]
Step = Literal["hour", "day", "week", "month"]
SplitBy = Literal["model", "provider", "project", "tag"]
ModelStatus = Literal["kept", "new_model", "vanished_model", "new_project", "vanished_project"]
# What a dashboard shows; "events" are the totals, too, and whatever else recording a call may move.
ChangeKind = Literal["events", "budgets", "alerts", "feedback", "projects", "prices", "settings"]
Changed = Callable[[UUID, ChangeKind], None]
Usd = Annotated[Decimal, WithJsonSchema({"type": "number"})]
Percent = Annotated[Decimal, WithJsonSchema({"type": "number"})]
# A count, or a mean of counts.
Quantity = Annotated[Decimal, WithJsonSchema({"type": "number"})]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be the name of a time zone, such as Europe/Berlin or UTC") from None
    return name


def _printable(secret: SecretStr) -> SecretStr:
    if not (secret.get_secret_value().isascii() and secret.get_secret_value().isprintable()):
        raise ValueError("must be made of printable ASCII characters")
    return secret


def _written_time(value: object) -> object:
    if isinstance(value, datetime):
        return value
    # Anything else that could be meant by a time, such as seconds since 1970, has no date in front.
    if not isinstance(value, str) or value[4:5] != "-" or value[10:11] not in ("T", "t", " "):
        raise ValueError("must be a time written as in RFC 3339, such as 2026-01-31T12:00:00Z")
    return _escaped_plus(value)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be a time from the years 1 to 9999") from None


def _escaped_plus(text: str) -> str:
    """In a query, a plus sign that nobody escaped arrives as a space."""
    return f"{text[:-6]}+{text[-5:]}" if len(text) > 19 and text[-6] == " " else text


def _number(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError("must be a number")
    return value


def _as_json(value: object) -> str | None:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    too_large = ValueError(f"must not be larger than {METADATA_BYTES} bytes as JSON")
    # Each value takes two bytes at least. Writing many more only to count their bytes would halt everybody else.
    if _room_left(value, METADATA_BYTES // 2) < 0:
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


def _room_left(value: object, room: int) -> int:
    """How many values of so many are left when those in an object or a list are taken; below 0 if there are more."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    room -= len(inner)
    for each in inner:
        if room < 0:
            break
        if isinstance(each, dict | list):
            room = _room_left(each, room)
    return room


def _day_or_time(value: object) -> date | datetime:
    text = _escaped_plus(str(value))
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date such as 2026-01-31 or a time such as 2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("must say its offset from UTC, as 2026-01-31T12:00:00Z does")
    return moment


DayOrTime = Annotated[
    date | datetime,
    PlainValidator(_day_or_time),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}),
]
TimeZone = Annotated[
    str,
    StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$"),
    AfterValidator(_known_zone),
]
Time = Annotated[AwareDatetime, BeforeValidator(_written_time), AfterValidator(_in_utc)]
TagFilter = Annotated[str, StringConstraints(pattern=r"^[^:\x00-\x1f\x7f]{1,64}:[^\x00-\x1f\x7f]{1,128}$")]
# An object, checked and turned into the JSON that is stored.
Metadata = Annotated[
    str | None, PlainValidator(_as_json), WithJsonSchema({"type": "object", "additionalProperties": True})
]


# What the floors pass among themselves


class Usage(NamedTuple):
    """Tokens of one call in disjoint parts; `reasoning_tokens` alone is a part of another, the output.

    `detail` is empty unless the vendor counted more than these (audio, images, searches): then it holds the whole
    report by the price list's usage keys, and the price is computed from it.
    """

    input_tokens: int
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    detail: Mapping[str, Any] = {}

    @property
    def prompt_tokens(self) -> int:
        """The whole prompt, cached parts included."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def total_tokens(self) -> int:
        """Prompt and output."""
        return self.prompt_tokens + self.output_tokens

    @classmethod
    def of_prompt(
        cls,
        *,
        input_tokens: int,
        cache_read_tokens: int = 0,
        cache_write_5m_tokens: int = 0,
        cache_write_1h_tokens: int = 0,
        output_tokens: int = 0,
        reasoning_tokens: int = 0,
    ) -> "Usage":
        """A usage whose `input_tokens` is the whole prompt. Raises Invalid when a part is larger than its whole."""
        cached = cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens
        if cached > input_tokens:
            raise Invalid(
                f"The cached part of the prompt ({cached} tokens) is larger than input_tokens ({input_tokens}), "
                "which counts the whole prompt",
                loc=("body", "input_tokens"),
            )
        if reasoning_tokens > output_tokens:
            raise Invalid(
                f"reasoning_tokens ({reasoning_tokens}) is larger than output_tokens ({output_tokens}), "
                "which include them",
                loc=("body", "reasoning_tokens"),
            )
        if cache_write_5m_tokens < 0:
            raise Invalid("The tokens written to the cache for an hour are more than all tokens written to it")
        return cls(
            input_tokens - cached,
            cache_read_tokens,
            cache_write_5m_tokens,
            cache_write_1h_tokens,
            output_tokens,
            reasoning_tokens,
        )


class Price(NamedTuple):
    """What a call cost, None when no price is known, and which price said so."""

    cost: Decimal | None
    pricing: str


class Breach(NamedTuple):
    """A rule of the workspace's settings that a call breaks, and the same in words."""

    reason: Violation
    detail: str


class Estimate(NamedTuple):
    """What is known of a planned call: its project's key (None for one that is not there yet), the most it can cost,
    and the rules it breaks.
    """

    project: str | None
    price: Price
    breaches: Sequence[Breach]


class Rates(NamedTuple):
    """USD per token for each part of a usage, and per request. None where no price is listed."""

    input: Decimal | None
    cache_read: Decimal | None
    cache_write_5m: Decimal | None
    cache_write_1h: Decimal | None
    output: Decimal | None
    reasoning: Decimal | None
    request: Decimal

    def cost(self, usage: Usage) -> Decimal | None:
        """USD for the usage; None when it holds tokens and not one of their kinds has a price."""
        total = self.request
        unknown = False
        for tokens, rate in (
            (usage.input_tokens, self.input),
            (usage.cache_read_tokens, self.cache_read),
            (usage.cache_write_5m_tokens, self.cache_write_5m),
            (usage.cache_write_1h_tokens, self.cache_write_1h),
            (usage.output_tokens - usage.reasoning_tokens, self.output),
            (usage.reasoning_tokens, self.reasoning),
        ):
            if tokens:
                if rate is None:
                    unknown = True
                else:
                    total += rate * tokens
        return None if unknown and not total else total


ROLE_SCOPES: Mapping[Role, frozenset[Scope]] = {
    "admin": frozenset({"events:write", "read", "admin"}),
    "viewer": frozenset({"read"}),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling, in which workspace, and what they may do there: a person in a session, or an API key.

    `user_id` is that person, or whoever made the key; `project` is the key of the project of a key's events.
    """

    user_id: UUID
    workspace_id: UUID
    scopes: frozenset[Scope]
    session_id: UUID | None = None
    key_id: UUID | None = None
    project: str | None = None

    @property
    def actor_id(self) -> UUID:
        """Whose deed the audit log calls it."""
        return self.key_id or self.user_id


class NewEvent(NamedTuple):
    """One event ready to be stored: validated, priced and identified. `metadata` is JSON, or None for nothing."""

    id: UUID
    user_id: UUID
    timestamp: datetime
    provider: str
    model: str
    usage: Usage
    price: Price
    project: str
    status: Status
    latency_ms: float | None
    error_message: str | None
    tags: Mapping[str, str]
    metadata: str | None
    api_key_id: UUID | None
    reservation_id: UUID | None
    policy_violations: Sequence[Violation]


class Request(BaseModel):
    """What a caller sends: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """What a caller is answered."""

    model_config = ConfigDict(frozen=True)


# Accounts


class Signup(Request):
    """A new account."""

    email: Email = Field(examples=["ada@example.com"])
    password: Password = Field(examples=["correct horse battery"])
    name: Name = Field(examples=["Ada"])


class Register(Request):
    """A new account; without a name it is called by the address up to the @."""

    email: Email = Field(examples=["ada@example.com"])
    password: Password = Field(examples=["correct horse battery"])
    name: Name | None = Field(None, examples=["Ada"])

    def signup(self) -> Signup:
        """The same with a name."""
        return Signup(email=self.email, password=self.password, name=self.name or self.email.split("@")[0])


class Login(Request):
    """An account's address and password."""

    email: Email = Field(examples=["ada@example.com"])
    password: Annotated[str, StringConstraints(max_length=128, pattern=NO_CONTROL_CHARACTERS)] = Field(
        examples=["correct horse battery"]
    )


class Refresh(Request):
    """The refresh token of the last answer; each works once."""

    refresh_token: Annotated[str, StringConstraints(max_length=2048)] | None = Field(
        None, description="Needed unless it is in the cookie"
    )


class AccountChange(Request):
    """What to change about the account; a new password needs the current one and ends the other sessions."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Countess"}]})

    name: Name | None = None
    password: Password | None = None
    current_password: Annotated[str, StringConstraints(max_length=128)] | None = None

    @model_validator(mode="after")
    def _with_current(self) -> "AccountChange":
        if self.password is not None and self.current_password is None:
            raise ValueError("current_password is needed to set a new password")
        return self


class User(Answer):
    """A user as they see themselves; `role` is theirs in the workspace the request is about."""

    id: UUID
    email: str
    name: str
    role: Role
    created_at: datetime


class Account(Answer):
    """A live session: its user and its workspace."""

    session_id: UUID
    workspace_id: UUID
    user: User


class RefreshedAccount(Account):
    """A live session, and which refresh token of it holds."""

    refresh_id: UUID


class SignedIn(Answer):
    """A session: its tokens, its user and its workspace."""

    access_token: str
    refresh_token: str | None = Field(description="Null when it is in the cookie")
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds until the access token expires")
    user_id: UUID
    workspace_id: UUID
    user: User


class Credentials(Answer):
    """What a password is checked against."""

    user_id: UUID
    password_hash: str


class Session(Answer):
    """A session that still holds."""

    id: UUID
    device: str = Field(description="What the browser or program called itself when it signed in")
    created_at: datetime
    last_used_at: datetime = Field(description="To the minute")
    expires_at: datetime
    current: bool = Field(False, description="Whether it is the one that asks")


class Sessions(Answer):
    """The caller's sessions, last used first."""

    sessions: list[Session]


class Ended(Answer):
    """How many sessions were ended."""

    ended: int


class Message(Answer):
    """What was done, in words."""

    message: str


# Workspaces


class WorkspaceName(Request):
    """What to call a workspace."""

    name: Name = Field(examples=["Discovery team"])


class Workspace(Answer):
    """A workspace the caller belongs to, and as what."""

    id: UUID
    name: str
    role: Role
    members: int
    created_at: datetime


class Workspaces(Answer):
    """The caller's workspaces; without the header X-Workspace-Id a request is about the first."""

    workspaces: list[Workspace]


class Member(Answer):
    """Somebody who belongs to the workspace."""

    user_id: UUID
    email: str
    name: str
    role: Role
    joined_at: datetime


class Members(Answer):
    """Who belongs to the workspace, the first one first."""

    members: list[Member]


class RoleChange(Request):
    """What a member shall be."""

    role: Role


class InvitationIn(Request):
    """Who shall join, and as what."""

    email: Email = Field(examples=["grace@example.com"])
    role: Role = "viewer"


class Invitation(Answer):
    """An invitation nobody has accepted yet."""

    id: UUID
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime


class NewInvitation(Invitation):
    """A new invitation with its token, which is shown this once: send it to whom you invite."""

    token: str


class Invitations(Answer):
    """The open invitations, newest first."""

    invitations: list[Invitation]


class InvitationToken(Request):
    """The token of an invitation."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=128)]


class AuditLine(Answer):
    """What somebody did."""

    id: UUID
    at: datetime
    actor_id: UUID = Field(description="A user or an API key")
    actor: str = Field(description="What they were called then: an address, or API key and its name")
    action: str = Field(examples=["key.created"])
    target: str = Field(description="What it was done to, by name")
    details: dict[str, Any]


class AuditPage(Answer):
    """A page of the audit log, newest first."""

    count: int
    entries: list[AuditLine]
    next_cursor: str | None


# Projects


class ProjectIn(Request):
    """A new project."""

    name: Name = Field(examples=["search"])


class ProjectChange(Request):
    """What to change about a project; its events stay with it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "discovery"}, {"archived": True}]})

    name: Name | None = None
    archived: StrictBool | None = Field(None, description="An archived project is not listed; it still takes events")


class Project(Answer):
    """A project and what it cost: in the range asked for, or else in the last 30 days."""

    id: UUID
    name: str
    archived: bool
    created_at: datetime
    total_cost: Usd
    call_count: int
    unpriced_calls: int = Field(description="Calls without a known price: they are not in total_cost")


class ProjectPage(Answer):
    """A page of projects, by name."""

    date_range: "DateRange"
    projects: list[Project]
    next_cursor: str | None


class ProjectTerm(Answer):
    """How the events of a project are filed: under its key, whatever it is called today."""

    id: UUID
    name: str
    key: str


# Keys


class ApiKeyIn(Request):
    """A new API key for an application."""

    name: Name = Field(examples=["search backend"])
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3), AfterValidator(lambda s: sorted(set(s)))] = Field(
        ["events:write"], description="events:write sends events; read reads what a viewer may; admin does everything"
    )
    project: Name | None = Field(None, description="Name or id of the project of events that name none")
    expires_at: Time | None = Field(None, description="When it stops working; never, if left out")


class KeyName(Request):
    """What to call a key."""

    name: Name


class ApiKey(Answer):
    """An API key, without the key itself."""

    id: UUID
    name: str
    last_four: str
    scopes: list[Scope]
    project: str | None
    created_by: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute")


class NewApiKey(ApiKey):
    """A new API key, shown this once."""

    key: str = Field(examples=["llmlab_sk_..."])


class ApiKeys(Answer):
    """The keys that were not revoked, newest first."""

    keys: list[ApiKey]


class KeyIdentity(Answer):
    """What an API key may do, and where."""

    id: UUID
    workspace_id: UUID
    created_by: UUID
    scopes: list[Scope]
    project: str | None


class ProviderKeyIn(Request):
    """A key of yours at a provider."""

    provider: ProviderName = Field(examples=["openai"])
    name: Name = Field("default", description="Tells several keys of one provider apart")
    key: Annotated[SecretStr, Field(min_length=8, max_length=4096), AfterValidator(_printable)] = Field(
        description="Kept encrypted and never shown again", json_schema_extra={"pattern": "^[ -~]*$"}
    )


class ProviderKey(Answer):
    """A provider's key, of which only the last four characters are ever shown."""

    id: UUID
    provider: str
    name: str
    last_four: str
    created_by: UUID
    created_at: datetime


class ProviderKeys(Answer):
    """The provider keys kept, by provider and name."""

    keys: list[ProviderKey]


class SealedKey(Answer):
    """A provider's key as it is kept."""

    id: UUID
    ciphertext: str


# Prices

OwnRate = Annotated[
    Decimal,
    Field(ge=0, le=1_000_000, max_digits=24, decimal_places=12),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1_000_000}),
]


class OwnPriceIn(Request):
    """A price of your own: either a percentage of the list price, or rates in USD per million tokens."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"provider": "openai", "model": "gpt-4o*", "percent_of_list": 80},
                {"provider": "my-gpu", "model": "llama-3.3-70b", "input": 0.25, "output": 0.75},
            ]
        }
    )

    provider: ProviderName
    model: ModelPattern = Field(
        description="A model's name; * stands for anything, up to three times. The longest that fits is used"
    )
    starts_at: Time | None = Field(
        None, description="From when on; now, if left out. Events sent before it was added keep their price"
    )
    ends_at: Time | None = Field(None, description="Until when; without end, if left out")
    percent_of_list: (
        Annotated[
            Decimal,
            Field(ge=0, le=1000, decimal_places=6),
            WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1000}),
        ]
        | None
    ) = Field(None, description="80 is a fifth off; without a list price the call stays unpriced")
    input: OwnRate | None = Field(None, description="Per million tokens of the uncached prompt")
    cache_read: OwnRate | None = Field(None, description="As input, if left out")
    cache_write: OwnRate | None = Field(None, description="For five minutes; as input, if left out")
    cache_write_1h: OwnRate | None = Field(None, description="As cache_write, if left out")
    output: OwnRate | None = Field(None, description="Per million tokens of the output")
    reasoning: OwnRate | None = Field(None, description="As output, if left out")
    request: OwnRate | None = Field(None, description="Per call; 0, if left out")

    @model_validator(mode="after")
    def _one_kind(self) -> "OwnPriceIn":
        rates = (self.input, self.cache_read, self.cache_write, self.cache_write_1h, self.output, self.reasoning)
        absolute = any(rate is not None for rate in (*rates, self.request))
        if absolute == (self.percent_of_list is not None):
            raise ValueError("send either percent_of_list or rates")
        if absolute and (self.input is None or self.output is None):
            raise ValueError("both input and output are needed")
        return self


class OwnPrice(Answer):
    """A price of the workspace's own. USD per million tokens; `request` is USD per call."""

    id: UUID
    provider: str
    model: str
    starts_at: datetime
    ends_at: datetime | None
    percent_of_list: Usd | None
    input: Usd | None
    cache_read: Usd | None
    cache_write: Usd | None
    cache_write_1h: Usd | None
    output: Usd | None
    reasoning: Usd | None
    request: Usd | None
    created_by: UUID
    created_at: datetime


class OwnPriceList(Answer):
    """The workspace's own prices, newest first."""

    prices: list[OwnPrice]


class PriceEnd(Request):
    """When a price ends."""

    ends_at: Time


# Settings


def _each_once(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


class SettingsIn(Request):
    """What to change; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"disabled_models": ["gpt-4-turbo*"], "max_tokens_per_request": 100_000, "tz": "Europe/Berlin"}
            ]
        }
    )

    # A default in the schema would say that what is left out is set back to it.
    claude_haiku_45_enabled: StrictBool = Field(
        default_factory=bool, description="Whether Claude Haiku 4.5 may be called, whoever provides it"
    )
    disabled_models: Annotated[list[ModelPattern], Field(max_length=100), AfterValidator(_each_once)] = Field(
        default_factory=list,
        description="Models nobody shall call, at any provider; * stands for anything, up to three times",
    )
    max_tokens_per_request: Annotated[int, Field(strict=True, ge=1, le=2 * MAX_TOKENS)] | None = Field(
        None, description="The most tokens of a call, prompt and output together; null is no limit"
    )
    enable_caching: StrictBool = Field(
        default_factory=bool, description="Whether an SDK may answer a call that it has made before from a cache"
    )
    retention_days: Annotated[int, Field(strict=True, ge=1, le=3650)] | None = Field(
        None, description="How many days events are kept, the totals stay; null is forever"
    )
    tz: TimeZone = Field(default_factory=str, description="The workspace's time zone")


class WorkspaceSettings(Answer):
    """What a workspace decided for its calls."""

    claude_haiku_45_enabled: bool = Field(description="Whether Claude Haiku 4.5 may be called, whoever provides it")
    disabled_models: list[str] = Field(description="Models nobody shall call; * stands for anything")
    max_tokens_per_request: int | None = Field(description="Prompt and output together; null is no limit")
    enable_caching: bool = Field(description="Whether an SDK may answer a call it has made before from a cache")
    retention_days: int | None = Field(description="How many days events are kept; null is forever")
    tz: str
    updated_at: datetime | None = Field(description="null while everything is as it was from the start")
    updated_by: UUID | None


class CallPolicy(Answer):
    """What an application has to obey."""

    disabled_models: list[str] = Field(
        description="Models not to call; * stands for anything, capital letters do not matter. "
        "Those of Claude Haiku 4.5 are among them when it is switched off"
    )
    max_tokens_per_request: int | None = Field(description="Prompt and output together; null is no limit")
    enable_caching: bool = Field(description="Whether an SDK may answer a call it has made before from a cache")


class Terms(Answer):
    """What recording an event needs to know of its workspace. `version` changes with it."""

    version: int
    projects: list[ProjectTerm]
    prices: list[OwnPrice]
    settings: WorkspaceSettings
    # The hour before which events may have been deleted; None where none were.
    events_since: Time | None


# Retention


class Swept(Answer):
    """How many events were deleted, and the time of the last one."""

    deleted: int
    reached: Time | None


# Archives


class ArchivedSpend(Answer):
    """The totals by hour of one UTC day."""

    day: datetime
    rows: list[dict[str, Any]]


# Events

EVENT_EXAMPLE: dict[str, Any] = {
    "provider": "openai",
    "model": "gpt-4o-mini",
    "input_tokens": 1200,
    "output_tokens": 300,
    "cache_read_tokens": 400,
    "latency_ms": 840.5,
    "project": "search",
    "tags": {"team": "discovery"},
}


class Event(Request):
    """One model call.

    Send the token counts, or the provider's own `response` body. `input_tokens` is the whole prompt, its cached part
    included, for every provider. An `id` makes sending again harmless.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EVENT_EXAMPLE]})

    provider: ProviderName = Field(description="Any name; one nobody knows the prices of is unpriced")
    model: ModelName | None = Field(None, description="As in the provider's answer")
    input_tokens: Tokens | None = Field(None, description="The whole prompt, its cached part included")
    output_tokens: Tokens | None = Field(None, description="All of the answer, reasoning included")
    cache_read_tokens: Tokens = Field(0, description="The part of the prompt read from the provider's cache")
    cache_write_tokens: Tokens = Field(0, description="Written to the cache for five minutes")
    cache_write_1h_tokens: Tokens = Field(0, description="Written to the cache for an hour")
    reasoning_tokens: Tokens = Field(0, description="The part of output_tokens spent on reasoning")
    cost: (
        Annotated[
            Decimal,
            Field(ge=0, le=10_000_000, max_digits=24, decimal_places=15),
            WithJsonSchema({"type": "number", "minimum": 0, "maximum": 10_000_000}),
        ]
        | None
    ) = Field(None, description="USD, if you know better than the price list")
    fallback_cost: (
        Annotated[
            Decimal,
            Field(ge=0, le=10_000_000, max_digits=24, decimal_places=15),
            WithJsonSchema({"type": "number", "minimum": 0, "maximum": 10_000_000}),
        ]
        | None
    ) = Field(None, description="USD by your own reckoning; stands if no price is known")
    latency_ms: Annotated[float, Field(ge=0, le=86_400_000), BeforeValidator(_number)] | None = Field(
        None,
        validation_alias=AliasChoices("latency_ms", "duration_ms"),
        description="From request to last token; also taken as duration_ms",
    )
    status: Status = "success"
    error_message: Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")] | None = None
    project: Name | None = Field(None, description="What the call was for; costs are kept by project")
    tags: Annotated[dict[Tag, Name], Field(max_length=8)] = Field(
        {},
        description="Up to 8 short labels of few different values; costs are kept by tag",
        json_schema_extra={"additionalProperties": False},
    )
    metadata: Metadata = Field(None, description="Anything else, up to 16 KiB as JSON; stored only")
    timestamp: Time | None = Field(None, description="When the call was made; now, if left out")
    id: Name | None = Field(None, description="Your own id of this call, or a UUID")
    reservation_id: UUID | None = Field(None, description="The reservation that this call settles")
    response: dict[str, Any] | None = Field(None, description="The provider's response body, instead of the counts")
    api_flavor: Name | None = Field(
        None, description="Which API of the provider the response is from, such as chat or responses, if it is unclear"
    )

    @model_validator(mode="after")
    def _counted_once(self) -> "Event":
        counted = self.input_tokens is not None or self.output_tokens is not None
        if self.response is not None and (counted or self.cached_tokens or self.reasoning_tokens):
            raise ValueError("send either token counts or response, not both")
        if self.response is None and (self.model is None or not counted):
            raise ValueError("model, input_tokens and output_tokens are needed, or response")
        if self.response is None and (self.input_tokens is None or self.output_tokens is None):
            raise ValueError("both input_tokens and output_tokens are needed")
        return self

    @property
    def cached_tokens(self) -> int:
        """The cached part of the prompt, read and written."""
        return self.cache_read_tokens + self.cache_write_tokens + self.cache_write_1h_tokens

    def usage(self) -> Usage:
        """The token counts, in disjoint parts. Raises Invalid when they contradict one another."""
        return Usage.of_prompt(
            input_tokens=self.input_tokens or 0,
            cache_read_tokens=self.cache_read_tokens,
            cache_write_5m_tokens=self.cache_write_tokens,
            cache_write_1h_tokens=self.cache_write_1h_tokens,
            output_tokens=self.output_tokens or 0,
            reasoning_tokens=self.reasoning_tokens,
        )


class EventBatch(Request):
    """Up to 1,000 events. Each is checked by itself: the good ones are kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"events": [EVENT_EXAMPLE]}]})

    events: Annotated[list[Any], Field(min_length=1, max_length=1000)] = Field(
        json_schema_extra={"items": {"$ref": "#/components/schemas/Event"}}
    )


class Tracked(Answer):
    """What was stored of an event, or had been stored when it was first sent."""

    event_id: UUID
    user_id: UUID
    provider: str
    model: str
    total_tokens: int
    cost: Usd | None = Field(description="USD; null when no price is known")
    pricing: str = Field(
        description="Which price: 'caller', 'own:' and its id, a price list's entry, a correction, or 'unpriced'"
    )
    tracked_at: datetime
    policy_violations: list[Violation] = Field(
        description="What of the workspace's settings the call broke, as they were when it was tracked"
    )


class Rejection(Answer):
    """An event of a batch that was not stored, and why."""

    index: int
    detail: str


class BatchResult(Answer):
    """What became of a batch."""

    recorded: int
    duplicates: int
    rejected: list[Rejection]


class StoredEvent(Tracked):
    """An event as it is kept."""

    project: str | None
    input_tokens: int = Field(description="The whole prompt, cached parts included")
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    usage_detail: dict[str, Any] = Field(description="What the vendor counted beyond these, if anything")
    latency_ms: float | None
    status: Status
    error_message: str | None
    tags: dict[str, str]
    metadata: dict[str, Any]
    timestamp: datetime


class Duplicate(Answer):
    """An event that had been stored before, and its place in what was sent."""

    position: int
    event: StoredEvent


class EventRates(Answer):
    """USD per million tokens as charged for each kind, null where nothing is listed; `request` is USD per request."""

    input: Usd | None
    cache_read: Usd | None
    cache_write: Usd | None
    cache_write_1h: Usd | None
    output: Usd | None
    reasoning: Usd | None
    request: Usd

    @classmethod
    def of(cls, rates: Rates) -> "EventRates":
        """Rates per token as they are shown."""

        def million(rate: Decimal | None) -> Decimal | None:
            return None if rate is None else rate * 1_000_000

        return cls(
            input=million(rates.input),
            cache_read=million(rates.cache_read),
            cache_write=million(rates.cache_write_5m),
            cache_write_1h=million(rates.cache_write_1h),
            output=million(rates.output),
            reasoning=million(rates.reasoning),
            request=rates.request,
        )


class EventDetail(StoredEvent):
    """An event with its rates. They are shown only if they make up the stored cost, so they are always those it had."""

    rates: EventRates | None


class EventPage(Answer):
    """A page of events, newest first."""

    count: int
    events: list[StoredEvent]
    next_cursor: str | None


class ObservedCall(Request):
    """One model call as an application saw it. The model is named by its id in the list of models, or by its name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model_id": "openai/gpt-4o-mini", "prompt_tokens": 1200, "completion_tokens": 300,
                 "total_tokens": 1500, "latency_ms": 840.5, "status": "success"}
            ]
        }
    )  # fmt: skip

    model_id: ModelName | None = Field(
        None, description="An id of GET /api/llm/models", examples=["openai/gpt-4o-mini"]
    )
    model: ModelName | None = Field(None, description="The model's name, instead of model_id")
    provider: ProviderName | None = Field(
        None, description="Whose model it is; needed where the price list does not know it by the model's name"
    )
    prompt_tokens: Tokens = Field(description="The whole prompt")
    completion_tokens: Tokens = Field(description="All of the answer, reasoning included")
    total_tokens: Annotated[int, Field(strict=True, ge=0, le=2 * MAX_TOKENS)] | None = Field(
        None, description="The sum of both, if you want it checked"
    )
    latency_ms: Annotated[float, Field(ge=0, le=86_400_000), BeforeValidator(_number)] = Field(
        description="From request to last token"
    )
    status: Status
    error_message: Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")] | None = None

    @model_validator(mode="after")
    def _one_model(self) -> "ObservedCall":
        if (self.model_id is None) == (self.model is None):
            raise ValueError("send either model_id or model")
        if self.model_id is not None and self.provider is not None:
            raise ValueError("model_id says the provider; send provider only with model")
        total = self.prompt_tokens + self.completion_tokens
        if self.total_tokens not in (None, total):
            raise ValueError(
                f"total_tokens ({self.total_tokens}) is not the sum of prompt_tokens and completion_tokens ({total})"
            )
        return self


class LoggedCall(Tracked):
    """A call as it is stored. It is an event like any other."""

    prompt_tokens: int
    completion_tokens: int
    latency_ms: float | None
    status: Status
    error_message: str | None


class ListedModel(Answer):
    """A model of the price list and what it costs today."""

    id: str = Field(examples=["openai/gpt-4o-mini"])
    provider: str
    model: str
    title: str | None = Field(description="What its maker calls it")
    context_window: int | None = Field(description="Tokens; null when the list does not say")
    rates: EventRates = Field(description="By the list, for short prompts; some models charge more for long ones")


class ListedModels(Answer):
    """A page of models, by id."""

    count: int
    models: list[ListedModel]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list; None is any. `tag` is a key and its value."""

    start: datetime | None = None
    end: datetime | None = None
    provider: str | None = None
    model: str | None = None
    project: str | None = None
    status: Status | None = None
    tag: Mapping[str, str] | None = None
    policy_violation: Violation | None = None
    before: tuple[datetime, UUID] | None = None
    limit: int = field(default=50)


# Costs


@dataclass(frozen=True, slots=True)
class CostRange:
    """Which range of days, in which time zone: the last `days`, or from `start` to `end`.

    A date stands for its whole day. A time is widened to the full UTC hours around it, for totals are kept by the
    hour; the answers say which range they cover.
    """

    days: int
    start: date | datetime | None
    end: date | datetime | None
    tz: str

    def resolve(self, at: datetime) -> tuple[datetime, datetime]:
        """The range [start, end) in UTC. Raises Invalid when it is empty or longer than 366 days."""
        for name, moment in (("start", self.start), ("end", self.end)):
            if moment is not None and not 2000 <= moment.year <= 2100:
                raise Invalid(f"{name} must lie between the years 2000 and 2100", loc=("query", name))
        if self.start is None and self.end is None:
            return last_days(self.days, self.tz, at)
        if self.start is None:
            raise Invalid("end needs a start", loc=("query", "start"))
        start = hour_before(self.start) if isinstance(self.start, datetime) else midnight(self.start, self.tz)
        if self.end is None:
            end = last_days(1, self.tz, at)[1]
        elif isinstance(self.end, datetime):
            end = hour_after(self.end)
        else:
            end = midnight(self.end + timedelta(days=1), self.tz)
        if start >= end:
            raise Invalid("start must lie before end", loc=("query", "start"))
        if end - start > timedelta(days=366, hours=1):
            raise Invalid("A range covers at most 366 days", loc=("query", "start"))
        return start, end


class Span(NamedTuple):
    """A period: from a day or time to another, the last day included; or a whole calendar month."""

    start: date | datetime
    end: date | datetime
    is_month: bool = False

    def resolve(self, tz: str, at: datetime) -> tuple[datetime, datetime]:
        """The range [start, end) in UTC. Raises Invalid when it is empty or longer than 366 days."""
        return CostRange(1, self.start, self.end, tz).resolve(at)

    def before(self) -> "Span":
        """The month before a month, and the period of the same length before any other."""
        if self.is_month:
            end = self.start - timedelta(days=1)
            return Span(end.replace(day=1), end, True)
        day = timedelta(0) if isinstance(self.start, datetime) else timedelta(days=1)
        length = self.end - self.start + day
        return Span(self.start - length, self.end - length)


def _span(text: str) -> Span:
    if re.fullmatch(r"\d{4}-\d{2}", text):
        if not "2000" <= text <= "2100":
            raise ValueError("must lie between the years 2000 and 2100")
        first = _day_or_time(f"{text}-01")
        return Span(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1), True)
    start, separator, end = text.partition("..")
    span = Span(_day_or_time(start), _day_or_time(end if separator else start))
    if isinstance(span.start, datetime) != isinstance(span.end, datetime) or (
        isinstance(span.start, datetime) and not separator
    ):
        raise ValueError("must be a month, a day, or two days or two times with .. between them")
    return span


def _is_span(text: str) -> str:
    _span(text)
    return text


SpanText = Annotated[str, StringConstraints(max_length=80), AfterValidator(_is_span)]


@dataclass(frozen=True, slots=True)
class TwoPeriods:
    """Two periods to compare: by default the last whole days, up to yesterday, and what lay before."""

    days: int
    before: str | None
    after: str | None
    tz: str

    def resolve(self, at: datetime) -> tuple[tuple[datetime, datetime], tuple[datetime, datetime]]:
        """Both ranges [start, end) in UTC, the earlier one first. Raises Invalid as CostRange does."""
        today = at.astimezone(ZoneInfo(self.tz)).date()
        usual = Span(today - timedelta(days=self.days), today - timedelta(days=1))
        later = usual if self.after is None else _span(self.after)
        after = self._resolve(later, "to", at)
        return self._resolve(later.before() if self.before is None else _span(self.before), "from", at), after

    def _resolve(self, span: Span, name: str, at: datetime) -> tuple[datetime, datetime]:
        try:
            return span.resolve(self.tz, at)
        except Invalid as error:
            raise Invalid(f"{name}: {error.detail}", loc=("query", name)) from None


class CostKey(NamedTuple):
    """Where in the daily costs a page ends: a day, and a project by its key."""

    date: date
    project: str
    provider: str
    model: str


class DateRange(Answer):
    """Half open: start is in it, end is not."""

    start: datetime
    end: datetime


class ModelCost(Answer):
    """What one model cost."""

    model: str
    provider: str
    total_calls: int
    total_tokens: int
    total_cost: Usd
    unpriced_calls: int


class DayCost(Answer):
    """What one day cost."""

    date: date
    total_cost: Usd
    call_count: int
    unpriced_calls: int


class CostSummary(Answer):
    """What a range of days cost."""

    total_cost: Usd
    call_count: int
    average_cost_per_call: Usd | None = Field(
        description="Over the priced calls; 0 without calls, null when no call has a price"
    )
    unpriced_calls: int = Field(description="Calls without a known price: they are in no total")
    by_model: list[ModelCost]
    by_date: list[DayCost] = Field(description="Every day of the range, in the time zone asked for")
    date_range_start: datetime
    date_range_end: datetime


class NamedCost(Answer):
    """Cost and calls of one model under its provider."""

    cost: Usd
    calls: int
    unpriced_calls: int


class ProviderCost(Answer):
    """What one provider cost."""

    provider: str
    total_cost: Usd
    call_count: int
    unpriced_calls: int
    models: dict[str, NamedCost]


class CostByProvider(Answer):
    """What each provider cost, dearest first."""

    date_range: DateRange
    provider_costs: list[ProviderCost]


class TopModels(Answer):
    """The dearest models."""

    count: int
    models: list[ModelCost]


class ProjectCost(Answer):
    """What one project cost; null are the calls without one."""

    project: str | None
    total_cost: Usd
    call_count: int
    total_tokens: int
    unpriced_calls: int


class CostByProject(Answer):
    """What each project cost, dearest first."""

    date_range: DateRange
    project_costs: list[ProjectCost]


class TagCost(Answer):
    """What the calls with one value of a tag cost."""

    value: str
    total_cost: Usd
    call_count: int
    total_tokens: int
    unpriced_calls: int


class CostByTag(Answer):
    """What each value of one tag cost, dearest first. Calls without the tag are not in it."""

    date_range: DateRange
    key: str
    tag_costs: list[TagCost]


class TagKeys(Answer):
    """The keys of all tags, in order."""

    keys: list[str]


@dataclass(frozen=True, slots=True)
class SeriesFilter:
    """How to split a series, and of which calls it is; None is not at all, and any."""

    by: SplitBy | None
    key: str | None
    project: str | None
    provider: str | None
    model: str | None
    limit: int


class SplitCost(Answer):
    """The share of one model, provider, project or value of a tag."""

    name: str | None = Field(description="Null for calls without a project or without the tag, and for others")
    others: bool = Field(description="Whether this is all that lies beyond the limit")
    total_cost: Usd
    call_count: int
    total_tokens: int
    unpriced_calls: int


class Point(Answer):
    """One step of a time series."""

    start: datetime
    total_cost: Usd
    call_count: int
    total_tokens: int
    unpriced_calls: int
    split: list[SplitCost]


class Timeseries(Answer):
    """Cost over time, empty steps included."""

    bucket: Step
    by: SplitBy | None
    key: str | None = Field(description="The tag's key, by tag")
    date_range: DateRange
    total_cost: Usd
    call_count: int
    total_tokens: int
    unpriced_calls: int = Field(description="Calls without a known price: they are in no total")
    split: list[SplitCost] = Field(description="Of the whole range, dearest first")
    points: list[Point]


class PeriodUsage(Answer):
    """What a model was used for and cost in one project in a period; input_tokens is the uncached part."""

    project: str | None
    provider: str
    model: str
    calls: Decimal
    unpriced_calls: Decimal
    input_tokens: Decimal
    cache_read_tokens: Decimal
    cache_write_5m_tokens: Decimal
    cache_write_1h_tokens: Decimal
    output_tokens: Decimal
    cost: Decimal


class PeriodRest(Answer):
    """What a period has beyond the dearest cells."""

    calls: int
    unpriced_calls: int
    cost: Decimal


class ComparedCosts(Answer):
    """Two periods by project and model, and the workspace's own prices."""

    before: list[PeriodUsage]
    after: list[PeriodUsage]
    before_rest: PeriodRest
    after_rest: PeriodRest
    prices: list[OwnPrice]


class CostEffects(Answer):
    """What each cause did to the cost, in USD; together they are the difference, to the last digit."""

    volume: Usd = Field(description="More or fewer calls of the projects that are in both periods")
    model_mix: Usd = Field(description="Other shares of the models in a project's calls, new and abandoned ones too")
    tokens_per_call: Usd = Field(description="Longer or shorter prompts and answers")
    cache_hit_rate: Usd = Field(description="Another share of the prompts read from the cache, or written to it")
    price: Usd = Field(
        description="What a token of a kind cost: new prices, dearer rates of long prompts, costs the caller gave"
    )
    priced_share: Usd = Field(description="Another share of calls with a known price; the others are in no total")
    new_projects: Usd = Field(description="Projects without a call in the earlier period")
    vanished_projects: Usd = Field(description="Projects without a call in the later period")
    others: Usd = Field(description="What lies beyond the 1,000 dearest pairs of project and model, and is not split")


class ProjectDifference(Answer):
    """How the cost of one project changed; null are the calls without one."""

    project: str | None
    before_cost: Usd
    after_cost: Usd
    difference: Usd
    effects: CostEffects


class ModelDifference(Answer):
    """How the cost of one model in one project changed."""

    project: str | None
    provider: str
    model: str
    status: ModelStatus = Field(description="Whether the model is new or gone in the project, or the whole project is")
    before_cost: Usd
    after_cost: Usd
    difference: Usd
    effects: CostEffects
    before_calls: Quantity
    after_calls: Quantity
    before_unpriced_calls: Quantity
    after_unpriced_calls: Quantity


class UnpricedModel(Answer):
    """Calls without a known price: they are in no total."""

    provider: str
    model: str
    before_calls: Quantity
    after_calls: Quantity


class Explanation(Answer):
    """Why the cost of two periods differs."""

    summary: str = Field(description="The same in one sentence")
    before_cost: Usd
    after_cost: Usd
    difference: Usd = Field(description="after_cost - before_cost")
    effects: CostEffects
    projects: list[ProjectDifference] = Field(description="Largest change first")
    models: list[ModelDifference] = Field(description="By project and model, largest change first")
    unpriced: list[UnpricedModel] = Field(description="The models of calls without a known price")


class ComparedPeriod(Answer):
    """One of two periods; start is in it, end is not."""

    start: datetime
    end: datetime
    call_count: int
    unpriced_calls: int = Field(description="Calls without a known price: they are in no total")


class CostComparison(Explanation):
    """Why the cost of two periods differs."""

    before: ComparedPeriod
    after: ComparedPeriod
    project_count: int = Field(description="How many projects there are; `projects` holds the first `limit` of them")
    model_count: int


# Metrics


@dataclass(frozen=True, slots=True)
class MetricFilter:
    """Which calls to measure; a project, provider or model that is None is any."""

    range: CostRange
    project: str | None = None
    provider: str | None = None
    model: str | None = None


class MetricsSummary(Answer):
    """How a range of days went."""

    date_range: DateRange
    total_tokens: int
    total_cost: Usd
    average_latency: float | None = Field(description="Milliseconds, over timed_calls; null without any")
    error_rate: Percent = Field(description="Percent of the calls that ended in an error or a timeout; 0 without calls")
    call_count: int
    error_count: int
    unpriced_calls: int = Field(description="Calls without a known price: they are not in total_cost")
    timed_calls: int = Field(description="Calls with a latency")


class MetricDay(Answer):
    """All there is to say of one day."""

    date: date
    call_count: int
    error_count: int
    error_rate: Decimal
    prompt_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    total_tokens: int
    total_cost: Decimal
    unpriced_calls: int


class MetricDays(Answer):
    """Every day of a range."""

    date_range: DateRange
    data: list[MetricDay]


class DayUsage(Answer):
    """The tokens of one day."""

    date: date
    prompt_tokens: int = Field(description="Whole prompts, cached parts included")
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    completion_tokens: int = Field(description="Reasoning included")
    reasoning_tokens: int
    total_tokens: int
    call_count: int


class TokenUsage(Answer):
    """Tokens by day, empty days included."""

    date_range: DateRange
    data: list[DayUsage]


class DayErrors(Answer):
    """The errors of one day."""

    date: date
    error_rate: Percent = Field(description="Percent of the calls that ended in an error or a timeout; 0 without calls")
    error_count: int
    call_count: int


class ErrorRates(Answer):
    """Errors by day, empty days included."""

    date_range: DateRange
    data: list[DayErrors]


class CostByDay(Answer):
    """Cost by day, empty days included."""

    date_range: DateRange
    data: list[DayCost]


class LatencyRange(Answer):
    """How many calls took so long. 100-200ms begins at 100 and ends before 200."""

    range: Literal["0-100ms", "100-200ms", "200-500ms", "500-1000ms", "1000ms+"]
    call_count: int


class Percentiles(Answer):
    """Latencies that 50, 95 and 99 % of the calls do not exceed, at most 2 % off. Milliseconds; null without any."""

    timed_calls: int = Field(description="Calls with a latency")
    average_latency: float | None
    p50: float | None
    p95: float | None
    p99: float | None


class ModelLatency(Percentiles):
    """How long one model's calls took."""

    provider: str
    model: str


class Latency(Percentiles):
    """How long calls took, over all and by model, the most called first."""

    date_range: DateRange
    call_count: int
    data: list[LatencyRange]
    by_model: list[ModelLatency]


class ModelQuality(Answer):
    """What the good answers of one model cost. Each rated call counts once, with the mean of its ratings."""

    provider: str
    model: str
    ratings: int = Field(description="How many ratings are behind the other numbers")
    rated_calls: int
    average_rating: float = Field(description="Over the rated calls")
    good_answers: int = Field(description="Rated calls whose mean is 4 or more")
    rated_cost: Usd = Field(description="Of the rated calls that have a price")
    unpriced_calls: int = Field(description="Rated calls without a known price")
    cost_per_good_answer: Usd | None = Field(
        description="rated_cost / the good answers that have a price; null without any"
    )


class Quality(Answer):
    """What good answers cost by model, the most rated first."""

    date_range: DateRange
    data: list[ModelQuality]


# Feedback


class FeedbackIn(Request):
    """What you think of a call."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"event_id": "call-1", "rating": 5, "comment": "Spot on"}]}
    )

    event_id: Name = Field(
        validation_alias=AliasChoices("event_id", "llm_call_id"),
        description="The call's id, ours or yours; also taken as llm_call_id",
    )
    rating: Annotated[int, Field(strict=True, ge=1, le=5)] = Field(description="From 1, bad, to 5, good")
    comment: Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")] | None = None


class Feedback(Answer):
    """What somebody thinks of a call, and what of the call matters for it."""

    id: UUID
    event_id: UUID = Field(description="The call, which may have been deleted since")
    rated_by: UUID = Field(description="A user or an API key")
    rating: int
    comment: str | None
    provider: str
    model: str
    project: str | None
    cost: Usd | None = Field(description="USD of the call; null when no price is known")
    called_at: datetime
    created_at: datetime
    updated_at: datetime


class FeedbackPage(Answer):
    """A page of ratings, newest first."""

    count: int
    feedback: list[Feedback]
    next_cursor: str | None


# Budgets


class BudgetScope(Request):
    """Which calls a budget counts: those that fit every part that is given; {} is the whole workspace."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"project": "search", "model": "gpt-4o*"}]})

    project: Name | None = Field(None, description="Name or id")
    provider: ProviderName | None = None
    model: ModelPattern | None = Field(None, description="A model's name; * stands for anything, up to three times")
    tag: Annotated[str, StringConstraints(pattern=r"^[^=\x00-\x1f\x7f]{1,64}=[^\x00-\x1f\x7f]{1,128}$")] | None = Field(
        None, description="key=value", examples=["team=discovery"]
    )
    api_key: UUID | None = Field(None, description="The id of an API key")


class CustomPeriod(Request):
    """So many days, again and again, from a day on."""

    start: date = Field(examples=["2026-01-15"])
    days: Annotated[int, Field(strict=True, ge=1, le=3660)]


def _rising(values: list[Decimal]) -> list[Decimal]:
    return sorted(set(values))


class BudgetIn(Request):
    """A limit for a period. Setting it again for the same scope and period changes it and keeps its id."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"limit": 500, "period": "monthly", "name": "Everything", "tz": "Europe/Berlin"}]
        }
    )

    limit: Annotated[
        Decimal,
        Field(gt=0, le=1_000_000_000, max_digits=21, decimal_places=12),
        WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000_000}),
    ] = Field(description="USD")
    period: Period = Field("monthly", description="Of the calendar in the time zone `tz`; weeks begin on Monday")
    custom: CustomPeriod | None = Field(None, description="For the period `custom`, and only for that")
    name: Name | None = Field(None, description="What to call it; named after its period if left out")
    scope: BudgetScope = BudgetScope()
    hard: StrictBool = Field(False, description="Whether reservations beyond it are refused")
    thresholds: Annotated[
        list[Annotated[Decimal, Field(gt=0, le=1000, decimal_places=2)]],
        Field(min_length=1, max_length=10),
        AfterValidator(_rising),
        WithJsonSchema(
            {
                "type": "array",
                "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000},
                "minItems": 1,
                "maxItems": 10,
            }
        ),
    ] = Field([50, 80, 100], validate_default=True, description="Percent; each makes one alert per period")
    tz: TimeZone = Field("UTC", description="In which days, weeks and months begin")

    @model_validator(mode="after")
    def _custom_or_not(self) -> "BudgetIn":
        if (self.period == "custom") != (self.custom is not None):
            raise ValueError("custom is needed for the period custom, and only for that")
        return self


class Budget(Answer):
    """A budget and its current period. Spend of 80 % is a warning, of 100 % exceeds it."""

    id: UUID
    user_id: UUID
    name: str
    limit: Usd
    period: Period
    starts_on: date | None = Field(description="Of a custom period, as are the days")
    days: int | None
    scope: dict[str, str]
    hard: bool
    thresholds: list[Usd]
    tz: str
    current_spend: Usd
    reserved: Usd = Field(description="Held by reservations for calls under way")
    remaining: Usd = Field(description="limit - current_spend - reserved; negative when the budget is exceeded")
    percentage_used: Usd
    status: Literal["ok", "warning", "exceeded"]
    unpriced_calls: int = Field(description="Calls of the period without a known price: they are not in the spend")
    period_start: datetime
    period_end: datetime
    created_at: datetime
    updated_at: datetime


class BudgetList(Answer):
    """Every budget of the workspace."""

    budgets: list[Budget]
    total_limits: Usd
    total_spend: Usd


class SpendSeries(Answer):
    """The cost of each whole day of a budget or, without one, of the workspace, from the first that cost anything.

    `usual_share` is what part of a day's cost usually comes before this time of day.
    """

    budget_id: UUID | None
    today: date
    costs: list[Decimal]
    spent_today: Decimal
    usual_share: Decimal


class StoredSpend(Answer):
    """What a forecast is made of: some of the budgets, and the daily costs of those that the rollups know."""

    budget_count: int
    budgets: list[Budget]
    series: list[SpendSeries]


class Estimated(Answer):
    """An estimate in USD, rounded to cents, below 1 USD to three digits: as likely too low as too high."""

    expected: Usd = Field(description="The median of the outcomes")
    low_80: Usd = Field(description="With low 80 and high 80, an interval that holds the outcome in 80 % of all cases")
    high_80: Usd
    low_95: Usd = Field(description="The same for 95 %")
    high_95: Usd


class ForecastDay(Estimated):
    """What a day will cost; today with what is spent already."""

    date: date


class BacktestedModel(Answer):
    """How far off a model was in the rolling backtest, one to 28 days ahead."""

    model: str
    mae: Usd = Field(description="Mean absolute error of a day")
    mase: float | None = Field(
        description="mae over that of the cost of a week before, one week ahead; null if that is always right"
    )


class BudgetForecast(Answer):
    """Whether a budget will be exceeded in its current period."""

    id: UUID
    name: str
    scope: dict[str, str]
    limit: Usd
    period: Period
    tz: str
    period_start: datetime
    period_end: datetime
    current_spend: Usd
    exceeded: bool = Field(description="Whether it is exceeded already")
    probability: float | None = Field(description="That it is exceeded by the end of `until`; null without a forecast")
    exceeds_on: date | None = Field(
        description="If it is, the day: the median of the outcomes that exceed it; null if none does or it is exceeded"
    )
    until: date | None = Field(description="The last day of the period, or the 92nd from today if that is earlier")
    total: Estimated | None = Field(description="The spend of the period by the end of `until`")
    model: str | None
    backtest: list[BacktestedModel]
    missing: str | None = Field(description="Why there is no forecast")


class Forecast(Answer):
    """What will be spent, by the model that would have done best so far."""

    as_of: datetime
    tz: str
    period: ForecastPeriod
    period_start: date
    period_end: date = Field(description="The last day of the period")
    spent: Usd = Field(description="In the period so far, to the last digit")
    total: Estimated | None = Field(description="Of the period: what is spent and what will be")
    days: list[ForecastDay] = Field(description="From today on")
    model: str | None = Field(description="The one of the backtest with the smallest error")
    backtest: list[BacktestedModel]
    missing: str | None = Field(description="Why there is no forecast, and from when on there will be")
    budgets: list[BudgetForecast]
    budgets_left_out: int = Field(description="How many budgets there are beyond the oldest 50")


class PlannedCall(Request):
    """A call that is about to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"provider": "openai", "model": "gpt-4o-mini", "input_tokens": 1200, "max_output_tokens": 500,
                 "project": "search"}
            ]
        }
    )  # fmt: skip

    provider: ProviderName
    model: ModelName
    input_tokens: Tokens = Field(description="The whole prompt")
    max_output_tokens: Tokens = Field(description="The most the model may answer")
    project: Name | None = Field(None, description="Name or id")
    tags: Annotated[dict[Tag, Name], Field(max_length=8)] = Field({}, json_schema_extra={"additionalProperties": False})


class ReservationIn(PlannedCall):
    """A call to hold money for."""

    seconds: Annotated[int, Field(strict=True, ge=1, le=86_400)] = Field(
        300, description="After so long an unused reservation lapses, and its money is free again"
    )


class BudgetRoom(Answer):
    """A budget that counts a call, and what is left of it."""

    id: UUID
    name: str
    hard: bool
    limit: Usd
    current_spend: Usd
    reserved: Usd
    remaining: Usd
    period_start: datetime
    period_end: datetime


class Guarded(Answer):
    """Whether a call may be made, and what it costs at most."""

    allowed: bool
    reason: Refusal | None = Field(
        description="Why not: a hard budget lacks room, the model is disabled, or the tokens are too many"
    )
    detail: str | None = Field(description="The same in words")
    estimated_cost: Usd | None = Field(description="USD for all the tokens; null when no price is known at all")
    pricing: str = Field(
        description="Which price; 'dearest:' and one is the dearest of a provider without one for this"
    )
    tightest_budget: BudgetRoom | None = Field(description="Of the budgets that count the call the one with least left")
    remaining: Usd | None = Field(description="What is left of that; null without a budget")


class Reservation(Answer):
    """Money held for a call. Send the id as `reservation_id` with the event: that settles it at the real cost."""

    id: UUID
    estimated_cost: Usd | None
    pricing: str
    expires_at: datetime


class AlertDelivery(Answer):
    """What became of an alert on one channel."""

    channel_id: UUID
    channel: str = Field(description="The channel's name")
    kind: ChannelKind
    status: Literal["pending", "delivered", "dead"] = Field(description="dead: given up after the last attempt")
    attempts: int
    last_error: str | None
    next_attempt_at: datetime | None
    delivered_at: datetime | None


class AnomalyDetails(Answer):
    """What cost far more than usual, when, and why; an early alert says no more than the model and day."""

    date: date
    hour: int | None = None
    project: str | None = None
    provider: str | None
    model: str | None
    kind: str | None = None
    cost: Usd
    expected_cost: Usd
    z_score: float
    severity: str
    cause: str | None = None


class DigestDetails(Answer):
    """What a day or a week cost, both of its ends included, and what the one before it did."""

    model_config = ConfigDict(extra="forbid")

    start: date
    end: date
    tz: str
    cost: Usd
    previous_cost: Usd
    calls: int
    unpriced_calls: int
    models: list["Contributor"] = Field(description="The three that cost most")


class AlertFacts(Answer):
    """Something that somebody should know, told once."""

    id: UUID
    kind: Literal["budget", "unpriced_model", "anomaly", "digest", "test"]
    subject: str = Field(
        description="The budget's name, provider/model, what was unusual, daily or weekly, or the tested channel"
    )
    budget_id: UUID | None
    period_start: datetime | None
    threshold: Usd | None = Field(description="Percent of the budget's limit")
    spend: Usd | None = Field(description="USD when it was crossed")
    details: AnomalyDetails | DigestDetails | dict[str, Any] = Field(union_mode="left_to_right")
    created_at: datetime


class Alert(AlertFacts):
    """Something that somebody should know, told once, and what became of it on each channel."""

    deliveries: list[AlertDelivery]


class AlertPage(Answer):
    """A page of alerts, newest first."""

    count: int
    alerts: list[Alert]
    next_cursor: str | None


class AlertTest(Request):
    """Which channel to try."""

    channel_id: UUID


class AlertChannelIn(Request):
    """A new place where alerts go."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"kind": "webhook", "name": "on call", "url": "https://hooks.example.com/llmlab"},
                {"kind": "slack", "name": "team", "url": "https://hooks.slack.com/services/T00000000/B00000000/XXXX"},
                {"kind": "email", "name": "finance", "url": "mailtos://user:password@example.com?to=cfo@example.com"},
            ]
        }
    )

    kind: ChannelKind = Field(
        description="webhook: signed JSON; slack and discord: their https webhook address; email and other: an address "
        "as Apprise writes it, such as mailtos://user:password@host?to=somebody@example.com"
    )
    name: Name
    url: Annotated[SecretStr, Field(min_length=8, max_length=2048), AfterValidator(_printable)] = Field(
        description="Kept encrypted and never shown again", json_schema_extra={"pattern": "^[ -~]*$"}
    )
    digest: Digest | None = Field(None, description="A summary of each day or week, beside the alerts")


class AlertChannelChange(Request):
    """What may be changed of a channel."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"digest": "weekly"}]})

    digest: Digest | None = Field(description="A summary of each day or week, beside the alerts; null for none")


class AlertChannel(Answer):
    """A place where alerts go; of its address only how and to which host is shown."""

    id: UUID
    kind: ChannelKind
    name: str
    target: str = Field(examples=["https://hooks.example.com"])
    digest: Digest | None
    created_by: UUID
    created_at: datetime


class NewAlertChannel(AlertChannel):
    """A new channel. The secret is shown this once."""

    signing_secret: str | None = Field(
        description="What a webhook's messages are signed with; null for the other kinds", examples=["llmlab_whsec_..."]
    )


class AlertChannels(Answer):
    """The channels, by name."""

    channels: list[AlertChannel]


class Contributor(Answer):
    """What a model cost within a budget's period and scope."""

    provider: str
    model: str
    cost: Usd


class BudgetOfAlert(Answer):
    """The budget an alert is about, in the period it is about."""

    id: UUID
    name: str
    limit: Usd
    period: Period
    tz: str
    period_start: datetime
    period_end: datetime
    contributors: list[Contributor]


class DueDelivery(Answer):
    """All that is needed to send an alert to a channel. `attempt` counts from 1, the one to be made included."""

    id: UUID
    workspace_id: UUID
    workspace: str
    attempt: int
    channel_id: UUID
    channel_kind: ChannelKind
    ciphertext: str
    alert: AlertFacts
    budget: BudgetOfAlert | None


class Watched(Answer):
    """A workspace that is due to be looked at, and the time zone of its days."""

    workspace_id: UUID
    tz: str


# Live updates


class Change(Answer):
    """How often a workspace has changed, and by kind the version with which something of that kind last did."""

    workspace_id: UUID
    version: int
    changed_at: datetime
    kinds: dict[str, int]


class LiveMessage(NamedTuple):
    """What somebody who watches a workspace is told: `hello` with how it stands, or a `change` and of what kinds."""

    event: Literal["hello", "change"]
    version: int
    changed_at: datetime
    what: list[str]


# Recommendations


class UsageSeries(Answer):
    """A model's use in a project over time: each column is a text of numbers with commas, one for each of its minutes.

    Those say when a bucket begins, after the first one there could be. Without names it is the rest of the workspace.
    Cost in USD.
    """

    project: str | None
    provider: str | None
    model: str | None
    minutes: str
    calls: str
    errors: str
    unpriced_calls: str
    input_tokens: str
    cache_read_tokens: str
    cache_write_5m_tokens: str
    cache_write_1h_tokens: str
    output_tokens: str
    costs: str


class UsageHistory(Answer):
    """The use of a workspace's dearest pairs of project and model, and its own prices."""

    series: list[UsageSeries]
    prices: list[OwnPrice]


class UsedDay(Answer):
    """What a model was used for and cost on a day; input_tokens is the uncached part."""

    provider: str
    model: str
    day: date
    first_at: datetime
    calls: int
    errors: int
    unpriced_calls: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: Decimal
    error_cost: Decimal


class UsedProject(Answer):
    """What a project used a model for over a range. `hours` counts the calls by hour of the day."""

    provider: str
    model: str
    project: str
    name: str | None
    first_at: datetime
    last_at: datetime
    calls: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost: Decimal
    hours: dict[int, int]


class ModelRating(Answer):
    """What people thought of a model's answers."""

    provider: str
    model: str
    ratings: int
    average_rating: float


class SampledCall(Answer):
    """One call of the sample; what it told of its prompt by tags or metadata is null where it told nothing."""

    provider: str
    model: str
    project: str
    input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    usage_detail: dict[str, Decimal]
    tier: str | None
    prompt_hash: str | None
    prefix_hash: str | None
    prefix_tokens: int | None
    max_tokens: int | None

    def usage(self) -> Usage:
        """Its tokens."""
        return Usage(
            self.input_tokens,
            self.cache_read_tokens,
            self.cache_write_5m_tokens,
            self.cache_write_1h_tokens,
            self.output_tokens,
            self.reasoning_tokens,
            {key: int(value) for key, value in self.usage_detail.items()},
        )


class HashedCall(Answer):
    """One of the newest calls that told the hash of their prompt."""

    provider: str
    model: str
    project: str
    timestamp: datetime
    status: Status
    cost: Decimal | None
    prompt_hash: str


class ModelUsage(Answer):
    """What models were used for over a range: totals of all calls, a sample of them, and the workspace's own prices."""

    days: list[UsedDay]
    projects: list[UsedProject]
    ratings: list[ModelRating]
    sample: list[SampledCall]
    newest: list[HashedCall]
    prices: list[OwnPrice]


AnomalyScope = Literal["workspace", "project", "provider", "model"]
AnomalyKind = Literal["spike", "drop", "level_shift", "stop", "new_model", "new_project", "errors", "outage"]
AnomalyCause = Literal["calls", "tokens_per_call", "cache_hit_rate", "price", "priced_share", "new", "vanished"]


class AnomalyContributor(Answer):
    """How much of a difference in cost came from one cause at one model of a project."""

    project: str | None
    provider: str
    model: str
    cause: AnomalyCause
    effect: Usd = Field(description="USD by which it changed the cost")


class Anomaly(Answer):
    """When something cost far more or less than usual, or failed far more often."""

    date: Annotated[date, Field(description="The day it began on, in the time zone asked for")]
    hour: int | None = Field(description="The hour of that day it began with; null when whole days are meant")
    start: datetime
    end: datetime = Field(description="When it was over, or until when it is known to last")
    scope: AnomalyScope = Field(description="What it is about; a model is one in a project when that is named")
    about: str = Field(description="The same by name")
    project: str | None
    provider: str | None
    model: str | None
    measure: Literal["cost", "errors"] = Field(description="Whether cost was unusual, or how many calls failed")
    kind: AnomalyKind = Field(
        description="level_shift: for three days or longer; outage: half of the calls or more failed"
    )
    calls: int
    errors: int
    expected_errors: float = Field(description="At the usual rate of failures; 0 when the measure is cost")
    cost: Usd
    expected_cost: Usd = Field(description="What was usual at such a time, by what came before")
    expected_low: Usd = Field(description="The lower end of what would not have been told: USD, or failed calls")
    expected_high: Usd = Field(description="The upper end of it")
    excess_cost: Usd = Field(description="cost - expected_cost; negative when it cost less")
    z_score: float = Field(description="Robust standard deviations from what was expected, at its peak")
    severity: Literal["low", "medium", "high"] = Field(description="|z_score| from the threshold, from 3, from 4")
    cause: str = Field(description="Why, in a sentence")
    contributors: list[AnomalyContributor] = Field(
        description="What makes up the difference to the mean of the same hours of up to four weeks before (of up "
        "to seven days before where there are no weeks yet): the ten largest, largest first"
    )


class Anomalies(Answer):
    """The anomalies of a window, newest first."""

    count: int
    anomalies: list[Anomaly]
    analysis_period: DateRange


class AnswerQuality(Answer):
    """What is known of a model's answers in the window; null where nothing is."""

    ratings: int
    average_rating: float | None = Field(description="From 1 to 5")
    error_rate: Percent | None = Field(description="Of its calls in this workspace, in percent")


class ModelSwitch(Answer):
    """What a model's calls would have cost on another model that can do the job."""

    provider: str = Field(description="Of the current model")
    current_model: str
    current_tier: str = Field(description="Where its vendor places it: frontier, flagship, balanced, small or tiny")
    suggested_provider: str
    suggested_model: str
    suggested_tier: str
    same_provider: bool
    tier_step: int = Field(description="Tiers down: 0 is the same one, 1 the one below, less than 0 is above")
    calls: int
    sampled_calls: int = Field(description="Of how many the lengths of prompts are known")
    fitting_calls: Percent = Field(
        description="Percent of the sampled calls that the other model's context window holds; the rest stays"
    )
    current_cost: Usd = Field(description="Of the window, as stored")
    current_cost_today: Usd | None = Field(description="The same calls at today's prices; null without a price")
    projected_cost: Usd = Field(description="The same calls on the suggested model, at today's prices")
    current_cost_per_call: Usd
    suggested_cost_per_call: Usd
    estimated_monthly_savings: Usd = Field(
        description="The lower of the two current costs less the projected one, per day since the first call, times 30"
    )
    savings_low: Usd | None = Field(description="The saving's 95 % interval; null with fewer than 7 whole days")
    savings_high: Usd | None
    suggested_retires_on: date | None = Field(description="When its vendor stops serving it, where that is announced")
    current_quality: AnswerQuality
    suggested_quality: AnswerQuality | None = Field(description="Null where this workspace has not used the model")
    use_case: str


class LeftOut(Answer):
    """A model that nothing is suggested for, and why."""

    provider: str
    model: str
    calls: int
    reason: Literal["unknown_tier", "unpriced_calls"]


class AdviceBasis(Answer):
    """What the dollars rest on."""

    calls: int = Field(description="In the window, of the models looked at")
    sampled_calls: int
    method: str
    assumptions: list[str]


class ModelSwitches(Answer):
    """Other models for what was really used, largest saving first."""

    count: int
    recommendations: list[ModelSwitch]
    total_potential_savings: Usd = Field(description="Per month, with the best suggestion for each model")
    left_out: list[LeftOut] = Field(description="Models that nothing is suggested for, because too little is known")
    basis: AdviceBasis


class Optimization(Answer):
    """Something that cost money and need not have."""

    type: Literal[
        "failed_calls",
        "retry_storm",
        "cache_loss",
        "caching_unused",
        "batch",
        "oversized_prompts",
        "unused_output_limit",
        "price_cut",
        "retirement",
    ]
    provider: str
    model: str
    project: str | None = Field(description="Null where it is about all projects, or about calls without one")
    description: str
    cost: Usd = Field(description="USD over the window that this is about, as stored or at today's prices")
    estimated_monthly_savings: Usd | None = Field(description="Null where nobody can know from what was sent")
    evidence: dict[str, Usd] = Field(description="The numbers that this rests on")
    confidence: Literal["high", "medium", "low"]


class MissingEvidence(Answer):
    """What to send so that more can be said."""

    what: str
    why: str
    how: str


class Recommendations(Answer):
    """All the advice the stored data supports."""

    optimizations: list[Optimization]
    missing_evidence: list[MissingEvidence]
    model_recommendations: list[ModelSwitch]
    left_out: list[LeftOut] = Field(description="Models to which no other is suggested, because too little is known")
    basis: AdviceBasis
    anomalies: list[Anomaly]
    last_updated: datetime


# The server itself


class Fault(Answer):
    """One thing that is wrong with a request, and where."""

    loc: list[str | int]
    msg: str
    type: str


class Problem(Answer):
    """An error (RFC 9457). `detail` is a sentence; `errors` comes with status 422 only."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[Fault] | None = None


class PolicyProblem(Problem):
    """Which rule of the workspace's settings forbids the call."""

    reason: Violation | None = Field(
        None, description="Left out when it is the role or the API key that may not do this"
    )


class PaymentProblem(Problem):
    """Which budget has not enough left."""

    reason: Literal["budget"]
    budget_id: UUID
    budget: str
    remaining: Usd


class Health(Answer):
    """Whether the server can do its work."""

    status: Literal["healthy", "degraded"]
    version: str
    uptime_seconds: float
    database_connected: bool
    timestamp: datetime


class About(Answer):
    """What this is and where to read on."""

    name: str
    description: str
    version: str
    docs: str
    openapi: str
    health: str
