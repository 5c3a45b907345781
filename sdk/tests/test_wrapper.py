"""The wrapper returns the answer or the error of a call, and its metrics."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

import llmlab
from tests.support.workspace import Double, Workspace

Configure = Callable[..., None]
ANSWER = {"id": "chatcmpl-0123456789", "model": "gpt-4o", "usage": {"prompt_tokens": 1000, "completion_tokens": 500}}


class AzureOpenAI:
    """A client of a vendor, by its class."""

    __module__ = "openai.lib.azure"


class Mine(AzureOpenAI):
    """A client class of the user."""


def answer(prompt: str, **options: Any) -> dict[str, Any]:
    return ANSWER


def test_a_call_comes_back_with_its_metrics(configure: Configure, workspace: Workspace) -> None:
    configure()
    wrapper = llmlab.LLMObservabilityWrapper("openai", "gpt-4o", project="wrapped", tags={"a": "b"})
    result = wrapper.call_llm(answer, "hi", temperature=0)
    assert result["success"]
    assert result["response"] is ANSWER
    assert result["error"] is None
    assert result["metrics"] == {
        "latency_ms": result["metrics"]["latency_ms"],
        "prompt_tokens": 1000,
        "completion_tokens": 500,
        "total_tokens": 1500,
        "estimated_cost": Decimal("0.0075"),
    }
    # It is stored when the result is there.
    stored = workspace.ask("GET", f"/api/events/{result['log_id']}")
    assert (stored["cost"], stored["project"], stored["tags"]) == (Decimal("0.0075"), "wrapped", {"a": "b"})
    assert llmlab.flush()
    assert workspace.count() == 1


async def test_async_functions_too(configure: Configure) -> None:
    async def aanswer(prompt: str) -> dict[str, Any]:
        return ANSWER

    configure()
    result = await llmlab.LLMObservabilityWrapper(Mine(), "gpt-4o", provider="openai").acall_llm(aanswer, "hi")
    assert (result["success"], result["metrics"]["estimated_cost"]) == (True, Decimal("0.0075"))


def test_a_failure_is_in_the_result(configure: Configure, workspace: Workspace) -> None:
    fault = ValueError("no")

    def failing(prompt: str) -> None:
        raise fault

    configure()
    result = llmlab.LLMObservabilityWrapper("openai", "gpt-4o").call_llm(failing, "hi")
    assert (result["success"], result["response"], result["error"]) == (False, None, fault)
    assert (result["metrics"]["total_tokens"], result["metrics"]["estimated_cost"]) == (None, Decimal(0))
    event = workspace.event()
    assert (event["status"], event["error_message"]) == ("error", "ValueError")


def test_what_llmlab_refuses_is_raised(configure: Configure, workspace: Workspace) -> None:
    workspace.ask("POST", "/api/budgets", {"limit": 0.01, "hard": True})
    configure(enforce_budget=True)
    wrapper = llmlab.LLMObservabilityWrapper("openai", "gpt-4o", max_output_tokens=100_000)
    with pytest.raises(llmlab.BudgetExceeded):
        wrapper.call_llm(answer, "hi")


def test_ctrl_c_goes_through_and_the_call_is_recorded(configure: Configure, workspace: Workspace) -> None:
    def interrupted(prompt: str) -> None:
        raise KeyboardInterrupt

    configure()
    with pytest.raises(KeyboardInterrupt):
        llmlab.LLMObservabilityWrapper("openai", "gpt-4o").call_llm(interrupted, "hi")
    assert llmlab.flush()
    assert workspace.event()["error_message"] == "KeyboardInterrupt"


def test_an_unpriced_call_has_no_cost(configure: Configure) -> None:
    configure()
    result = llmlab.LLMObservabilityWrapper("ours", "house-model").call_llm(
        lambda prompt: (prompt, {"input_tokens": 1, "output_tokens": 2}), "hi"
    )
    assert (result["metrics"]["total_tokens"], result["metrics"]["estimated_cost"]) == (3, None)


def test_while_llmlab_is_unreachable_the_answer_is_returned_and_the_event_queued(
    configure: Configure, nowhere: str, workspace: Workspace
) -> None:
    configure(base_url=nowhere, flush_interval=60)
    wrapper = llmlab.LLMObservabilityWrapper("openai", "gpt-4o")
    for _ in range(2):
        result = wrapper.call_llm(answer, "hi")
        assert (result["response"], result["metrics"]["estimated_cost"]) == (ANSWER, None)
        assert result["log_id"] == "chatcmpl-0123456789"
    assert llmlab.stats().waiting == 2


def test_after_a_timeout_the_next_call_does_not_wait(configure: Configure, double: Double) -> None:
    configure(base_url=double.url, flush_interval=60)
    wrapper = llmlab.LLMObservabilityWrapper("openai", "gpt-4o")
    for _ in range(3):
        wrapper.call_llm(answer, "hi")
    assert sum(path == "POST /api/events/track" for path, _ in double.requests) == 1
    assert llmlab.stats().waiting == 3


def test_a_cached_answer_costs_nothing(configure: Configure, workspace: Workspace) -> None:
    from test_enforcement import known_policy

    workspace.ask("PUT", "/api/settings", {"enable_caching": True})
    configure()
    known_policy()
    wrapper = llmlab.LLMObservabilityWrapper("openai", "gpt-4o")
    wrapper.call_llm(answer, "hi")
    result = wrapper.call_llm(answer, "hi")
    assert (result["response"], result["metrics"]["estimated_cost"]) == (ANSWER, Decimal(0))
    assert llmlab.flush()
    assert workspace.ask("GET", f"/api/events/{result['log_id']}")["metadata"]["cache"]["hit"]


def test_unconfigured_it_still_calls() -> None:
    result = llmlab.LLMObservabilityWrapper(Mine(), "gpt-4o").call_llm(answer, "hi")
    assert (result["success"], result["log_id"], result["metrics"]["total_tokens"]) == (True, None, 1500)


def test_the_provider_is_derived_from_the_client() -> None:
    assert llmlab.LLMObservabilityWrapper(Mine(), "gpt-4o").provider == "azure"
    with pytest.raises(llmlab.ConfigurationError, match="set its provider"):
        llmlab.LLMObservabilityWrapper(object(), "gpt-4o")
