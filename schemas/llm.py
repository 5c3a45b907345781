"""Calls as an application observes them, and the models of the price list."""

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from models import MAX_TOKENS, Answer, LongText, Milliseconds, ModelName, ProviderName, Request, Status, Tokens
from schemas.events import Tracked
from schemas.usage import EventRates


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
    latency_ms: Milliseconds = Field(description="From request to last token")
    status: Status
    error_message: LongText | None = None

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


# Models of the price list


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
