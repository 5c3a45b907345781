"""Alerts, and the channels they are delivered to."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from models import Answer, Name, Period, Request, Row, Usd, printable

Digest = Literal["daily", "weekly"]
ChannelKind = Literal["webhook", "slack", "discord", "email", "other"]


class AlertDelivery(Answer):
    """The delivery of an alert to one channel."""

    channel_id: UUID
    channel: str = Field(description="The channel's name")
    kind: ChannelKind
    status: Literal["pending", "delivered", "dead"] = Field(description="dead: all attempts failed")
    attempts: int
    last_error: str | None
    next_attempt_at: datetime | None
    delivered_at: datetime | None


class AnomalyDetails(Answer):
    """An unusually high cost, its time and its cause; the oldest alerts have only the model and the day."""

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
    """Cost of a model."""

    provider: str
    model: str
    cost: Usd


class DigestDetails(Answer):
    """Cost of a day or week and of the one before. `start` and `end` are the first and last day."""

    model_config = ConfigDict(extra="forbid")

    start: date
    end: date
    tz: str
    cost: Usd
    previous_cost: Usd
    calls: int
    unpriced_calls: int
    models: list[Contributor] = Field(description="The three most expensive models")


class AlertFacts(Answer):
    """An alert without its deliveries."""

    id: UUID
    kind: Literal["budget", "unpriced_model", "anomaly", "digest", "refused_calls", "test"]
    subject: str = Field(
        description="By kind: the budget's name, provider/model, the place of the anomaly, daily or weekly, the "
        "limit, or the tested channel's name"
    )
    budget_id: UUID | None
    period_start: datetime | None
    threshold: Usd | None = Field(description="Percent of the budget's limit")
    spend: Usd | None = Field(description="USD when it was crossed")
    details: AnomalyDetails | DigestDetails | dict[str, Any] = Field(union_mode="left_to_right")
    created_at: datetime


class Alert(AlertFacts):
    """An alert and its delivery to each channel. Each is created once."""

    deliveries: list[AlertDelivery]


class AlertPage(Answer):
    """A page of alerts, newest first."""

    count: int
    alerts: list[Alert]
    next_cursor: str | None


class AlertTest(Request):
    """The channel to send a test message to."""

    channel_id: UUID


# Channels


class AlertChannelIn(Request):
    """A new channel for alerts."""

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
        description="webhook: signed JSON; slack and discord: an incoming webhook URL; email and other: a URL in "
        "the format of Apprise, such as mailtos://user:password@host?to=somebody@example.com"
    )
    name: Name
    url: Annotated[SecretStr, Field(min_length=8, max_length=2048), AfterValidator(printable)] = Field(
        description="Stored encrypted and never shown again", json_schema_extra={"pattern": "^[ -~]*$"}
    )
    digest: Digest | None = Field(None, description="Also send a summary of each day or week")


class AlertChannelChange(Request):
    """Changes to a channel."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"digest": "weekly"}]})

    digest: Digest | None = Field(description="Also send a summary of each day or week; null sends none")


class AlertChannel(Answer):
    """A channel for alerts; of its URL only the scheme and host are shown."""

    id: UUID
    kind: ChannelKind
    name: str
    target: str = Field(examples=["https://hooks.example.com"])
    digest: Digest | None
    created_by: UUID
    created_at: datetime


class NewAlertChannel(AlertChannel):
    """A new channel. The signing secret is shown only once."""

    signing_secret: str | None = Field(
        description="Secret that signs the messages of a webhook; null for other kinds", examples=["llmlab_whsec_..."]
    )


class AlertChannels(Answer):
    """Alert channels, by name."""

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
    # Filled in after the claim.
    contributors: list[Contributor] = Field(default_factory=list)


class DueDelivery(Row):
    """An alert and the channel to send it to. `attempt` counts from 1 and includes the current attempt."""

    id: UUID
    workspace_id: UUID
    workspace: str
    attempt: int
    channel_id: UUID
    channel_kind: ChannelKind
    ciphertext: str
    alert: AlertFacts
    budget: BudgetOfAlert | None
