"""Settings of a workspace, and what an application must obey."""

from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StrictBool

from models import MAX_TOKENS, Answer, ModelPattern, Request, TimeZone, Violation


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

    # default_factory keeps a default out of the schema: there it would mean that an omitted field is reset to it.
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


# Internal values, never sent to a caller


class Breach(NamedTuple):
    """The setting that a call violates, and a sentence that says so."""

    reason: Violation
    detail: str
