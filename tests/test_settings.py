"""Settings of a workspace, and the policy for its calls."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import example, given
from hypothesis import strategies as st

from providers import Policy
from schemas.settings import WorkspaceSettings
from tests.conftest import client_of, running, settings_for
from tests.support.archive import archive
from tests.support.team import Caller, Member, assert_problem, call, join, new_api_key, sign_up
from utils.patterns import Pattern

DEFAULTS: dict[str, Any] = {
    "claude_haiku_45_enabled": True,
    "disabled_models": [],
    "max_tokens_per_request": None,
    "enable_caching": False,
    "retention_days": None,
    "tz": "UTC",
    "updated_at": None,
    "updated_by": None,
}
ALL: dict[str, Any] = {
    "claude_haiku_45_enabled": False,
    "disabled_models": ["gpt-4-turbo*"],
    "max_tokens_per_request": 5000,
    "enable_caching": True,
    "retention_days": 90,
    "tz": "Europe/Berlin",
}
# 1,500 tokens into and out of gpt-4o.
PLANNED = {"provider": "openai", "model": "gpt-4o", "input_tokens": 1000, "max_output_tokens": 500}


async def put(admin: Caller, path: str = "/api/settings", **changes: Any) -> dict[str, Any]:
    response = await admin.request("PUT", path, json=changes)
    assert response.status_code == 200, response.text
    settings: dict[str, Any] = response.json()
    return settings


async def check(caller: Caller, **planned: Any) -> dict[str, Any]:
    response = await caller.request("POST", "/api/budgets/check", json={**PLANNED, **planned})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def reserve(caller: Caller, **planned: Any) -> httpx.Response:
    return await caller.request("POST", "/api/budgets/reservations", json={**PLANNED, **planned})


def policy(**settings: Any) -> Policy:
    return Policy(WorkspaceSettings.model_validate({**DEFAULTS, **settings}))


def breaks(rules: Policy, model: str, tokens: int = 1) -> list[str]:
    return [breach.reason for breach in rules.breaches("openai", model, tokens)]


# Stored settings


async def test_only_admins_see_and_change_settings(ada: Member, bob: Member, client: httpx.AsyncClient) -> None:
    await join(ada, bob)
    reader = await new_api_key(ada, scopes=["read"])
    sender = await new_api_key(ada)
    for path in ("/settings", "/api/settings"):
        for method, body in (("GET", None), ("PUT", {"enable_caching": True})):
            assert_problem(await client.request(method, path, json=body), 401)
            assert_problem(await bob.request(method, path, json=body), 403, "Admin access required")
            for key in (reader, sender):
                refused = await key.request(method, path, json=body)
                assert_problem(refused, 403, "This API key does not have the scope admin")
    assert await ada.get("/settings") == DEFAULTS


@pytest.mark.both_roads
async def test_omitted_settings_do_not_change(ada: Member) -> None:
    assert await ada.get("/api/settings") == DEFAULTS
    changed = await put(ada, **ALL)
    assert changed == {**ALL, "updated_at": changed["updated_at"], "updated_by": ada.session["user_id"]}
    again = await put(ada, "/settings", max_tokens_per_request=None)
    assert again == {**changed, "max_tokens_per_request": None, "updated_at": again["updated_at"]}
    assert again["updated_at"] > changed["updated_at"]
    assert (await put(ada, retention_days=None, disabled_models=[]))["tz"] == "Europe/Berlin"
    for path in ("/settings", "/api/settings"):
        assert await ada.get(path) == await put(ada)


async def test_a_model_is_disabled_once(ada: Member) -> None:
    assert (await put(ada, disabled_models=["b", "a", "b"]))["disabled_models"] == ["b", "a"]
    most = [f"m{number}*" for number in range(100)]
    assert (await put(ada, disabled_models=most))["disabled_models"] == most


@pytest.mark.parametrize(
    "wrong",
    [
        {"claude_haiku_45_enabled": "yes"},
        {"claude_haiku_45_enabled": None},
        {"disabled_models": None},
        {"disabled_models": "gpt-4o"},
        {"disabled_models": [""]},
        {"disabled_models": ["a*b*c*d*e"]},
        {"disabled_models": ["a\nb"]},
        {"disabled_models": [f"m{number}" for number in range(101)]},
        {"max_tokens_per_request": 0},
        {"max_tokens_per_request": 1.5},
        {"max_tokens_per_request": "1000"},
        {"max_tokens_per_request": 2_000_000_001},
        {"enable_caching": 1},
        {"retention_days": 0},
        {"retention_days": 3651},
        {"tz": "Mars/Olympus"},
        {"tz": None},
        {"updated_by": "4d7f3a7e-0000-4000-8000-000000000000"},
        {"workspace_id": "4d7f3a7e-0000-4000-8000-000000000000"},
    ],
)
async def test_invalid_settings_are_refused(ada: Member, wrong: dict[str, Any]) -> None:
    assert_problem(await ada.request("PUT", "/api/settings", json={"enable_caching": True, **wrong}), 422)
    assert await ada.get("/api/settings") == DEFAULTS


async def test_each_change_is_in_the_audit_log_with_old_and_new(ada: Member) -> None:
    await put(ada, disabled_models=["o1*"], max_tokens_per_request=5000, enable_caching=False)
    key = await new_api_key(ada, name="robot", scopes=["admin"])
    await put(key, disabled_models=["o1*", "o3*"], max_tokens_per_request=None)
    # Nothing is changed by these.
    await put(ada)
    await put(ada, disabled_models=["o1*", "o3*"])
    second, _, first = (await ada.get("/api/audit"))["entries"]
    assert (first["actor"], first["action"], first["target"]) == (ada.email, "settings.changed", "settings")
    # A value that is missing is null.
    assert first["details"] == {
        "disabled_models": {"old": [], "new": ["o1*"]},
        "max_tokens_per_request": {"new": 5000},
    }
    assert second["actor"] == "API key robot"
    assert second["details"] == {
        "disabled_models": {"old": ["o1*"], "new": ["o1*", "o3*"]},
        "max_tokens_per_request": {"old": 5000},
    }


async def test_another_workspace_keeps_its_own(ada: Member, bob: Member) -> None:
    theirs = await put(bob, tz="Asia/Tokyo", disabled_models=["o1*"])
    await put(ada, **{**ALL, "disabled_models": ["gpt-4o*"]})
    assert await bob.get("/api/settings") == theirs
    assert (await check(bob))["allowed"] is True
    assert (await bob.track()).json()["policy_violations"] == []
    assert (await bob.get("/api/settings/policy"))["disabled_models"] == ["o1*"]


async def test_an_application_reads_its_policy(ada: Member, bob: Member) -> None:
    sender, reader = await new_api_key(ada), await new_api_key(ada, scopes=["read"])
    await join(ada, bob)
    assert await sender.get("/api/settings/policy") == {
        "disabled_models": [], "max_tokens_per_request": None, "enable_caching": False,
    }  # fmt: skip
    await put(ada, **ALL)
    for caller in (sender, reader, bob, ada):
        assert await caller.get("/api/settings/policy") == {
            "disabled_models": [
                "gpt-4-turbo*", "*claude-haiku-4-5*", "*claude-haiku-4.5*", "*claude-4-5-haiku*", "*claude-4.5-haiku*",
            ],
            "max_tokens_per_request": 5000,
            "enable_caching": True,
        }  # fmt: skip


# The rules


@given(st.text("aAb-*", max_size=8).filter(lambda text: text.count("*") <= 3), st.text("aAb-", max_size=12))
@example("ab*ba", "aba")
@example("a*b*b", "ab")
@example("*a*b*", "-AxB")
def test_a_pattern_matches_like_its_regular_expression(pattern: str, name: str) -> None:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert Pattern(pattern).fits(name) == bool(re.fullmatch(expression, name, re.IGNORECASE))


def test_a_policy_without_rules_is_false() -> None:
    assert not policy(enable_caching=True, retention_days=1)
    for rule in ({"disabled_models": ["x"]}, {"max_tokens_per_request": 1}, {"claude_haiku_45_enabled": False}):
        assert policy(**rule)


def test_the_price_list_knows_claude_haiku_45_by_no_other_name() -> None:
    off, on = policy(claude_haiku_45_enabled=False), policy(disabled_models=["x"])
    found = set()
    for vendor in get_snapshot().providers:
        for model in vendor.models:
            is_it = "haiku-4-5" in model.id.replace(".", "-")
            # The parts of names by which the list finds the model.
            for name in [model.id, *re.findall(r"='([^']+)'", repr(model.match))]:
                if name != "anthropic.claude":
                    assert breaks(off, name) == (["model_disabled"] if is_it else []), f"{vendor.id}/{name}"
                    assert breaks(on, name) == []
            if is_it:
                found.add(vendor.id)
    assert found >= {"anthropic", "aws", "google", "openrouter"}


@pytest.mark.parametrize(
    "name",
    [
        "claude-haiku-4-5",
        "claude-haiku-4-5-20251001",
        "Claude-Haiku-4-5-latest",
        "anthropic/claude-haiku-4.5",
        "anthropic/claude-4.5-haiku-20251001:beta",
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        "claude-haiku-4-5@20251001",
        "publishers/anthropic/models/claude-haiku-4-5@20251001",
    ],
)
def test_claude_haiku_45_is_disabled_under_each_of_its_names(name: str) -> None:
    assert breaks(policy(claude_haiku_45_enabled=False), name) == ["model_disabled"]
    assert breaks(policy(disabled_models=["claude-3*"]), name) == []


def test_the_token_limit_includes_prompt_and_output() -> None:
    rules = policy(max_tokens_per_request=1500, disabled_models=["gpt*"])
    assert breaks(rules, "o1", 1500) == []
    assert breaks(rules, "o1", 1501) == ["token_limit"]
    assert breaks(rules, "gpt-4o", 1501) == ["model_disabled", "token_limit"]


# The guard


async def test_the_guard_refuses_a_disabled_model(ada: Member) -> None:
    sender = await new_api_key(ada)
    assert (await check(sender))["allowed"] is True
    await put(ada, disabled_models=["GPT-4o"])
    answer = await check(sender)
    assert (answer["allowed"], answer["reason"]) == (False, "model_disabled")
    assert answer["detail"] == "The settings of this workspace disable the model 'gpt-4o'"
    assert answer["estimated_cost"] == 0.0075
    refused = assert_problem(await reserve(sender), 403, answer["detail"])
    assert refused["reason"] == "model_disabled"
    assert (await check(sender, model="gpt-4o-mini"))["allowed"] is True
    assert (await reserve(sender, model="gpt-4o-mini")).status_code == 201
    await put(ada, disabled_models=[])
    assert (await reserve(sender)).status_code == 201


async def test_the_guard_refuses_claude_haiku_45_of_every_provider(ada: Member) -> None:
    await put(ada, claude_haiku_45_enabled=False)
    for provider, model in (
        ("anthropic", "claude-haiku-4-5-20251001"),
        ("openrouter", "anthropic/claude-haiku-4.5"),
        ("bedrock", "global.anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("no-vendor", "claude-haiku-4-5"),
    ):
        assert (await check(ada, provider=provider, model=model))["reason"] == "model_disabled"
    assert (await check(ada, provider="anthropic", model="claude-3-5-haiku-latest"))["allowed"] is True
    await put(ada, claude_haiku_45_enabled=True)
    assert (await check(ada, provider="anthropic", model="claude-haiku-4-5"))["allowed"] is True


async def test_the_guard_refuses_too_many_tokens(ada: Member) -> None:
    await put(ada, max_tokens_per_request=1500)
    assert (await reserve(ada)).status_code == 201
    answer = await check(ada, max_output_tokens=501)
    assert (answer["allowed"], answer["reason"]) == (False, "token_limit")
    assert answer["detail"] == "The settings of this workspace allow 1500 tokens per request, not 1501"
    assert assert_problem(await reserve(ada, max_output_tokens=501), 403)["reason"] == "token_limit"


async def test_settings_are_checked_before_budgets_and_nothing_is_reserved(ada: Member) -> None:
    budget = {"limit": "0.001", "hard": True, "name": "Tiny"}
    assert (await ada.request("POST", "/api/budgets", json=budget)).status_code == 201
    assert (await check(ada))["reason"] == "budget"
    assert assert_problem(await reserve(ada), 402)["reason"] == "budget"
    await put(ada, disabled_models=["gpt-4o*"])
    answer = await check(ada)
    assert (answer["reason"], answer["tightest_budget"]["name"], answer["remaining"]) == (
        "model_disabled",
        "Tiny",
        0.001,
    )
    assert_problem(await reserve(ada, max_output_tokens=0, input_tokens=1), 403)
    assert (await ada.get("/api/budgets"))["budgets"][0]["reserved"] == 0


async def test_other_servers_apply_changes_within_a_second(url: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, database_url=url)
    async with running(settings) as one, running(settings) as other, client_of(one) as here, client_of(other) as there:
        ada = await sign_up(here, "Ada")
        twin = Member(there, ada.session, ada.email)
        assert (await check(twin))["allowed"] is True
        await put(ada, disabled_models=["gpt-4o"])
        await asyncio.sleep(1.1)
        assert (await check(twin))["reason"] == "model_disabled"


# Events


@pytest.mark.both_roads
async def test_an_event_that_violates_the_policy_is_stored_and_marked(ada: Member) -> None:
    before = (await ada.track(id="before")).json()
    assert before["policy_violations"] == []
    await put(ada, disabled_models=["gpt-4o"], max_tokens_per_request=1500)
    disabled = await ada.track(id="disabled")
    assert disabled.status_code == 201
    assert disabled.json()["policy_violations"] == ["model_disabled"]
    assert disabled.json()["cost"] == 0.0075
    result = await ada.batch(
        call(id="both", input_tokens=1001), call(id="long", model="o1", input_tokens=1001), call(id="fine", model="o1")
    )
    assert result == {"recorded": 3, "duplicates": 0, "rejected": []}
    expected = {
        "before": [], "disabled": ["model_disabled"], "both": ["model_disabled", "token_limit"],
        "long": ["token_limit"], "fine": [],
    }  # fmt: skip
    for event, violations in expected.items():
        assert (await ada.get(f"/api/events/{event}"))["policy_violations"] == violations
    listed = (await ada.get("/api/events"))["events"]
    assert sorted(event["policy_violations"] for event in listed) == sorted(expected.values())
    # Later settings do not change stored events.
    await put(ada, disabled_models=[], max_tokens_per_request=None)
    again = await ada.track(id="disabled")
    assert (again.status_code, again.json()) == (200, disabled.json())
    archived = {event["event_id"]: event["policy_violations"] for event in (await archive(ada))["events"]}
    assert archived[disabled.json()["event_id"]] == ["model_disabled"]
    assert archived[before["event_id"]] == []


async def test_a_response_is_checked_by_its_own_model_and_usage(ada: Member) -> None:
    await put(ada, claude_haiku_45_enabled=False, max_tokens_per_request=1200)
    response = {
        "model": "claude-haiku-4-5-20251001",
        "usage": {"input_tokens": 200, "cache_read_input_tokens": 1000, "output_tokens": 50},
    }
    tracked = await ada.request("POST", "/api/events/track", json={"provider": "anthropic", "response": response})
    assert tracked.json()["policy_violations"] == ["model_disabled", "token_limit"]


async def test_events_are_filtered_by_policy_violation(ada: Member, bob: Member) -> None:
    await put(ada, disabled_models=["gpt-4o"], max_tokens_per_request=1500)
    await ada.batch(call(input_tokens=1001), call(model="o1", input_tokens=1001), call(), call(model="o1"))

    async def models(violation: str) -> list[str]:
        found = await ada.get("/api/events", policy_violation=violation)
        return sorted(event["model"] for event in found["events"])

    assert await models("model_disabled") == ["gpt-4o", "gpt-4o"]
    assert await models("token_limit") == ["gpt-4o", "o1"]
    page = await ada.get("/api/events", policy_violation="token_limit", limit=1)
    rest = await ada.get("/api/events", policy_violation="token_limit", cursor=page["next_cursor"])
    assert (page["count"], rest["count"], rest["next_cursor"]) == (1, 1, None)
    assert (await bob.get("/api/events", policy_violation="token_limit"))["count"] == 0
    assert_problem(await ada.request("GET", "/api/events", params={"policy_violation": "budget"}), 422)


async def test_the_archive_contains_the_settings(ada: Member) -> None:
    assert (await archive(ada))["settings"] == [DEFAULTS]
    changed = await put(ada, **ALL)
    (archived,) = (await archive(ada))["settings"]
    assert archived == {**changed, "updated_at": archived["updated_at"]}
