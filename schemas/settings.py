"""Settings of a workspace, and the policy that applications follow."""

from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StrictBool

from models import MAX_TOKENS, Answer, ModelPattern, Request, TimeZone, Violation


def _unique(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


class SettingsIn(Request):
    """Changes to the settings; omitted fields stay unchanged."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"disabled_models": ["gpt-4-turbo*"], "max_tokens_per_request": 100_000, "tz": "Europe/Berlin"}
            ]
        }
    )

    # default_factory keeps a default out of the schema: there it would mean that an omitted field is reset to it.
    claude_haiku_45_enabled: StrictBool = Field(
        default_factory=bool, description="Whether Claude Haiku 4.5 may be called, at any provider"
    )
    disabled_models: Annotated[list[ModelPattern], Field(max_length=100), AfterValidator(_unique)] = Field(
        default_factory=list,
        description="Disabled models, at any provider; * is a wildcard, allowed up to three times",
    )
    max_tokens_per_request: Annotated[int, Field(strict=True, ge=1, le=2 * MAX_TOKENS)] | None = Field(
        None, description="Maximum tokens of a call, prompt and output together; null is no limit"
    )
    enable_caching: StrictBool = Field(
        default_factory=bool, description="Whether an SDK may answer repeated calls from a cache"
    )
    retention_days: Annotated[int, Field(strict=True, ge=1, le=3650)] | None = Field(
        None, description="Days to keep events; totals stay. null is forever"
    )
    tz: TimeZone = Field(default_factory=str, description="The workspace's time zone")


class WorkspaceSettings(Answer):
    """Settings of a workspace."""

    claude_haiku_45_enabled: bool = Field(description="Whether Claude Haiku 4.5 may be called, at any provider")
    disabled_models: list[str] = Field(description="Disabled models; * is a wildcard")
    max_tokens_per_request: int | None = Field(
        description="Maximum tokens of a call, prompt and output together; null is no limit"
    )
    enable_caching: bool = Field(description="Whether an SDK may answer repeated calls from a cache")
    retention_days: int | None = Field(description="Days to keep events; null is forever")
    tz: str
    updated_at: datetime | None = Field(description="null if the settings were never changed")
    updated_by: UUID | None


class CallPolicy(Answer):
    """The rules that applications follow before a call."""

    disabled_models: list[str] = Field(
        description="Disabled models; * is a wildcard, letter case is ignored. "
        "Includes Claude Haiku 4.5 when it is switched off"
    )
    max_tokens_per_request: int | None = Field(
        description="Maximum tokens of a call, prompt and output together; null is no limit"
    )
    enable_caching: bool = Field(description="Whether an SDK may answer repeated calls from a cache")


# Internal values, never sent to a caller


class Breach(NamedTuple):
    """The setting that a call violates, and a sentence for the caller."""

    reason: Violation
    detail: str
