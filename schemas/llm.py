"""Calls as observed by an application, and the models of the price list."""

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from models import MAX_TOKENS, Answer, LongText, Milliseconds, ModelName, ProviderName, Request, Status, Tokens
from schemas.events import Tracked
from schemas.usage import EventRates


class ObservedCall(Request):
    """One model call as observed by an application. Send either the model's id in the list of models, or its name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model_id": "openai/gpt-4o-mini", "prompt_tokens": 1200, "completion_tokens": 300,
                 "total_tokens": 1500, "latency_ms": 840.5, "status": "success"}
            ]
        }
    )  # fmt: skip

    model_id: ModelName | None = Field(None, description="Id from GET /api/llm/models", examples=["openai/gpt-4o-mini"])
    model: ModelName | None = Field(None, description="Model name, instead of model_id")
    provider: ProviderName | None = Field(
        None, description="Provider of the model; required if the price list does not have the model"
    )
    prompt_tokens: Tokens = Field(description="Tokens of the whole prompt")
    completion_tokens: Tokens = Field(description="Tokens of the whole output, reasoning included")
    total_tokens: Annotated[int, Field(strict=True, ge=0, le=2 * MAX_TOKENS)] | None = Field(
        None, description="Optional sum of both, which is then validated"
    )
    latency_ms: Milliseconds = Field(description="From the request to the last token")
    status: Status
    error_message: LongText | None = None

    @model_validator(mode="after")
    def _check_model(self) -> "ObservedCall":
        if (self.model_id is None) == (self.model is None):
            raise ValueError("send either model_id or model")
        if self.model_id is not None and self.provider is not None:
            raise ValueError("model_id includes the provider; send provider only with model")
        total = self.prompt_tokens + self.completion_tokens
        if self.total_tokens not in (None, total):
            raise ValueError(
                f"total_tokens ({self.total_tokens}) is not the sum of prompt_tokens and completion_tokens ({total})"
            )
        return self


class LoggedCall(Tracked):
    """A recorded call, which is an event like any other."""

    prompt_tokens: int
    completion_tokens: int
    latency_ms: float | None
    status: Status
    error_message: str | None


# Models of the price list


class ListedModel(Answer):
    """A model of the price list and its current rates."""

    id: str = Field(examples=["openai/gpt-4o-mini"])
    provider: str
    model: str
    title: str | None = Field(description="Display name by its provider")
    context_window: int | None = Field(description="Tokens; null if unknown")
    rates: EventRates = Field(
        description="List price for short prompts; some models have higher rates for long prompts"
    )


class ListedModels(Answer):
    """A page of models, in order of their ids."""

    count: int
    models: list[ListedModel]
    next_cursor: str | None
