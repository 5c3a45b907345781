"""Names: a provider and a model have one name each, whichever name a caller uses."""

from typing import Any

import pytest

from tests.support.budgets import CENT, reserve, set_budget
from tests.support.team import Member

SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.mark.parametrize(
    ("provider", "model", "recorded"),
    [
        ("bedrock", SONNET, ("aws", SONNET)),
        ("bedrock_converse", SONNET.removeprefix("anthropic."), ("aws", SONNET)),
        ("AWS", f"bedrock/{SONNET}", ("aws", SONNET)),
        ("gemini", "models/gemini-2.5-pro", ("google", "gemini-2.5-pro")),
        ("vertex_ai", "publishers/google/models/gemini-2.5-pro", ("google", "gemini-2.5-pro")),
        ("azure_openai", "gpt-4o", ("azure", "gpt-4o")),
        ("openai", "openai/gpt-4o", ("openai", "gpt-4o")),
        ("xai", "grok-4", ("x-ai", "grok-4")),
        ("unknown", "gpt-4o", ("openai", "gpt-4o")),
        ("unknown", "mystery", ("unknown", "mystery")),
        ("my-gpu", "llama-3.3-70b", ("my-gpu", "llama-3.3-70b")),
    ],
)
async def test_an_event_is_recorded_under_one_name_and_found_by_each(
    ada: Member, provider: str, model: str, recorded: tuple[str, str]
) -> None:
    tracked = (await ada.track(provider=provider, model=model)).json()
    assert (tracked["provider"], tracked["model"]) == recorded
    found = await ada.get("/api/events", provider=provider)
    assert [(event["provider"], event["model"]) for event in found["events"]] == (
        [] if provider == "unknown" != recorded[0] else [recorded]
    )
    by_name = await ada.get("/api/metrics/summary", provider=provider)
    assert by_name["call_count"] == len(found["events"])
    series = await ada.get("/api/costs/timeseries", provider=provider)
    assert series["call_count"] == len(found["events"])


async def test_a_response_of_a_provider_is_read_under_any_of_its_names(ada: Member) -> None:
    response = {"model": SONNET, "usage": {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100}}
    tracked = await ada.request(
        "POST", "/api/events/track", json={"provider": "bedrock", "model": SONNET, "response": response}
    )
    assert tracked.status_code == 201, tracked.text
    assert (tracked.json()["provider"], tracked.json()["total_tokens"]) == ("aws", 1100)


async def test_budgets_and_reservations_know_every_name(ada: Member) -> None:
    budget = await set_budget(ada, limit="0.01", hard=True, scope={"provider": "azure_openai"})
    assert budget["scope"] == {"provider": "azure"}
    assert (await reserve(ada, provider="azure-openai")).status_code == 201
    assert (await reserve(ada, provider="azure")).status_code == 402
    assert (await reserve(ada, provider="openai")).status_code == 201
    await ada.track(provider="azure_ai", model="gpt-4o", input_tokens=4000, output_tokens=0)
    (counted,) = (await ada.get("/api/budgets"))["budgets"]
    assert counted["current_spend"] == 0.01


@pytest.mark.parametrize("pattern", ["openai/gpt-4o", "openai/gpt-4*", "gpt-4o", "GPT-4O"])
@pytest.mark.parametrize("model", ["openai/gpt-4o", "gpt-4o"])
async def test_a_pattern_with_the_provider_in_front_matches(ada: Member, pattern: str, model: str) -> None:
    added = await ada.request(
        "POST", "/api/prices", json={"provider": "openai", "model": pattern, "input": 1, "output": 1}
    )
    assert added.status_code == 201, added.text
    assert (await ada.track(model=model, input_tokens=1000, output_tokens=0)).json()["cost"] == 0.001
    changed: Any = await ada.request("PUT", "/api/settings", json={"disabled_models": [pattern]})
    assert changed.status_code == 200, changed.text
    assert (await ada.track(model=model)).json()["policy_violations"] == ["model_disabled"]
    assert (await reserve(ada, **{**CENT, "model": model})).status_code == 403
