"""Alerts, and the channels they are delivered to."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from models import Answer, Name, Period, Request, Row, Usd, printable

Digest = Literal["daily", "weekly"]
ChannelKind = Literal["webhook", "slack", "discord", "email", "other"]


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


class Contributor(Answer):
    """What a model cost within a budget's period and scope."""

    provider: str
    model: str
    cost: Usd


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
    models: list[Contributor] = Field(description="The three that cost most")


class AlertFacts(Answer):
    """An alert without its deliveries."""

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


# Channels


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
    url: Annotated[SecretStr, Field(min_length=8, max_length=2048), AfterValidator(printable)] = Field(
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


# Internal values, never sent to a caller


class BudgetOfAlert(Row):
    """The budget of an alert, in the period of the alert."""

    id: UUID
    name: str
    limit: Usd
    period: Period
    tz: str
    period_start: datetime
    period_end: datetime
    contributors: list[Contributor]


class DueDelivery(Row):
    """All that is needed to send an alert to a channel. `attempt` counts from 1 and includes the current attempt."""

    id: UUID
    workspace_id: UUID
    workspace: str
    attempt: int
    channel_id: UUID
    channel_kind: ChannelKind
    ciphertext: str
    alert: AlertFacts
    budget: BudgetOfAlert | None
