"""With enforce_budget, hard budgets are not exceeded; calls that the workspace's settings forbid are not made."""

import asyncio
import pickle
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from decimal import Decimal
from typing import Any

import pytest

import llmlab
from cents import CENT_TOKENS, budget, cent, state
from llmlab import _runtime
from llmlab._guard import matches
from tests.support.workspace import Double, Workspace
from utils.patterns import Pattern

Configure = Callable[..., None]


def known_policy() -> None:
    """Waits until the SDK has read the workspace's settings."""
    runtime = _runtime.current()
    assert runtime is not None
    runtime.guard.policy_due = 0
    llmlab.flush()
    assert runtime.guard.policy is not None


# Budgets


def test_fifty_threads_make_exactly_the_calls_a_budget_has_room_for(configure: Configure, workspace: Workspace) -> None:
    budget(workspace, 20)
    configure(enforce_budget=True, timeout=120)
    made: list[int] = []
    became: Counter[str] = Counter()

    def one() -> None:
        try:
            cent(made)
            became["made"] += 1
        except llmlab.BudgetExceeded:
            became["refused"] += 1

    threads = [threading.Thread(target=one) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert became == {"made": 20, "refused": 30}
    assert len(made) == 20
    assert llmlab.flush()
    assert state(workspace) == (Decimal("0.2"), 0)
    assert workspace.count() == 20


async def test_many_coroutines_stay_within_a_budget_without_blocking_the_loop(
    configure: Configure, workspace: Workspace
) -> None:
    budget(workspace, 5)
    configure(enforce_budget=True, timeout=120)
    ticks = 0

    @llmlab.track_cost("openai", "gpt-4o", input_tokens=CENT_TOKENS, max_output_tokens=0)
    async def call() -> dict[str, Any]:
        return {"model": "gpt-4o", "usage": {"prompt_tokens": CENT_TOKENS, "completion_tokens": 0}}

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    results = await asyncio.gather(*[call() for _ in range(20)], return_exceptions=True)
    ticking.cancel()
    assert Counter(type(result) for result in results) == {dict: 5, llmlab.BudgetExceeded: 15}
    assert ticks > 10


def test_a_refusal_names_the_budget_and_the_remaining_amount(configure: Configure, workspace: Workspace) -> None:
    made = budget(workspace, 1)
    configure(enforce_budget=True)
    with pytest.raises(llmlab.BudgetExceeded, match=r"The budget 'hard' has \$0\.01 left") as refused:
        llmlab.track("openai", "gpt-4o", input_tokens=8_000, max_output_tokens=0).begin()
    assert (refused.value.budget_id, refused.value.budget) == (made["id"], "hard")
    assert refused.value.remaining == Decimal("0.01")
    # Like an error that is passed between processes.
    copy = pickle.loads(pickle.dumps(refused.value))
    assert (str(copy), copy.remaining) == (str(refused.value), Decimal("0.01"))
    assert llmlab.flush()
    assert workspace.count() == 0


def test_reservations_are_released_after_failed_and_cheaper_calls(configure: Configure, workspace: Workspace) -> None:
    budget(workspace, 10)
    configure(enforce_budget=True)
    with pytest.raises(KeyError), llmlab.track("openai", "gpt-4o", input_tokens=CENT_TOKENS, max_output_tokens=0):
        assert state(workspace) == (0, Decimal("0.01"))
        raise KeyError
    assert llmlab.flush()
    assert state(workspace) == (0, 0)
    with llmlab.track("openai", "gpt-4o", input_tokens=CENT_TOKENS, max_output_tokens=1_000) as call:
        assert state(workspace) == (0, Decimal("0.02"))
        call.usage(CENT_TOKENS, 0)
    assert llmlab.flush()
    assert state(workspace) == (Decimal("0.01"), 0)


def test_a_call_of_unknown_size_reserves_the_assumed_tokens(configure: Configure, workspace: Workspace) -> None:
    budget(workspace, 100)
    configure(enforce_budget=True)

    @llmlab.track_cost("openai", "gpt-4o", max_output_tokens=0)
    def call(prompt: str) -> tuple[None, dict[str, int]]:
        # A third of its bytes: 1,000 tokens of 2.50 USD per million.
        assert state(workspace) == (0, Decimal("0.0025"))
        return None, {"input_tokens": 1, "output_tokens": 1}

    call("x" * 3_000)
    assert llmlab.flush()
    with llmlab.track("openai", "gpt-4o") as block:
        # 4,096 of 2.50 USD and as many of 10 USD.
        assert state(workspace)[1] == Decimal("0.0512")
        block.usage(1, 1)


async def test_the_reservation_of_a_cancelled_call_is_released(configure: Configure, workspace: Workspace) -> None:
    budget(workspace, 10)
    configure(enforce_budget=True)
    asking = asyncio.create_task(
        llmlab.track("openai", "gpt-4o", input_tokens=CENT_TOKENS, max_output_tokens=0).abegin()
    )
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    runtime = _runtime.current()
    assert runtime is not None and runtime.guard._threads is not None
    await asyncio.to_thread(runtime.guard._threads.shutdown)
    assert state(workspace) == (0, 0)


def test_generators_reserve_before_they_start(configure: Configure, workspace: Workspace) -> None:
    budget(workspace, 1)
    configure(enforce_budget=True)

    @llmlab.track_cost("openai", "gpt-4o", input_tokens=8_000, max_output_tokens=0)
    def stream() -> Generator[str, None, None]:
        raise AssertionError("the call was made")
        yield ""

    with pytest.raises(llmlab.BudgetExceeded):
        next(stream())


# While LLMLab is unreachable


def test_calls_are_allowed_while_llmlab_is_unreachable_unless_refused(
    configure: Configure, nowhere: str, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[int] = []
    configure(enforce_budget=True, base_url=nowhere)
    for _ in range(3):
        cent(made)
    assert len(made) == 3
    assert caplog.text.count("Calls made without a budget check so far: 1") == 1
    assert llmlab.stats().unchecked == 3
    configure(enforce_budget=True, base_url=nowhere, on_unreachable="refuse")
    for _ in range(3):
        with pytest.raises(llmlab.Unreachable):
            cent(made)
    assert len(made) == 3


def test_a_refused_key_counts_as_unreachable(configure: Configure) -> None:
    configure(enforce_budget=True, api_key="llmlab_sk_wrong", on_unreachable="refuse")
    with pytest.raises(llmlab.Unreachable, match="LLMLab could not reserve budget for a call: "):
        cent([])


def test_an_unreachable_server_is_not_asked_for_every_call(configure: Configure, double: Double) -> None:
    configure(enforce_budget=True, base_url=double.url, flush_interval=60)
    made: list[int] = []
    for _ in range(50):
        cent(made)
    assert len(made) == 50
    assert sum(path == "POST /api/budgets/reservations" for path, _ in double.requests) < 5


def test_it_is_asked_again_after_a_while(configure: Configure, workspace: Workspace, double: Double) -> None:
    configure(enforce_budget=True, on_unreachable="refuse")
    runtime = _runtime.current()
    assert runtime is not None
    runtime.guard._pause()
    with pytest.raises(llmlab.Unreachable):
        cent([])
    assert 0 < runtime.guard._quiet_until - time.monotonic() < 1
    runtime.guard._quiet_until = 0
    cent([])


# The workspace's settings


@pytest.mark.parametrize("enforced", [False, True], ids=["policy", "budget"])
def test_a_disabled_model_is_not_called(enforced: bool, configure: Configure, workspace: Workspace) -> None:
    workspace.ask("PUT", "/api/settings", {"disabled_models": ["GPT-4o*"], "claude_haiku_45_enabled": False})
    configure(enforce_budget=enforced)
    if not enforced:
        with llmlab.track("cohere", "command-r") as call:
            call.usage(1, 1)
        known_policy()
    for provider, model in ("openai", "gpt-4o-mini"), ("anthropic", "claude-haiku-4-5-20251001"):
        with pytest.raises(llmlab.ModelDisabled, match=f"disable the model '{model}'"):
            llmlab.track(provider, model).begin()
    with llmlab.track("openai", "o3") as call:
        call.usage(1, 1)


@pytest.mark.parametrize("enforced", [False, True], ids=["policy", "budget"])
async def test_a_call_of_too_many_tokens_is_not_made(
    enforced: bool, configure: Configure, workspace: Workspace
) -> None:
    workspace.ask("PUT", "/api/settings", {"max_tokens_per_request": 1_000})
    configure(enforce_budget=enforced)
    if not enforced:
        known_policy()
    with pytest.raises(llmlab.TokenLimitExceeded, match="allow 1000 tokens per request, not 1001"):
        async with llmlab.track("openai", "gpt-4o", input_tokens=900, max_output_tokens=101):
            raise AssertionError("the call was made")
    async with llmlab.track("openai", "gpt-4o", input_tokens=900, max_output_tokens=100) as call:
        call.usage(1, 1)


def test_llmlab_refuses_by_settings_that_have_just_changed(configure: Configure, workspace: Workspace) -> None:
    configure(enforce_budget=True, policy_seconds=3600)
    cent([])
    workspace.ask("PUT", "/api/settings", {"disabled_models": ["gpt-4o"]})
    with pytest.raises(llmlab.ModelDisabled):
        cent([])
    workspace.ask("PUT", "/api/settings", {"disabled_models": [], "max_tokens_per_request": 10})
    with pytest.raises(llmlab.TokenLimitExceeded):
        cent([])


def test_settings_are_updated_in_the_background(configure: Configure, workspace: Workspace) -> None:
    configure()
    known_policy()
    cent([])
    workspace.ask("PUT", "/api/settings", {"disabled_models": ["gpt-4o"]})
    deadline = time.monotonic() + 120
    with pytest.raises(llmlab.ModelDisabled):
        while time.monotonic() < deadline:
            cent([])
            time.sleep(0.02)


@pytest.mark.parametrize("pattern", ["gpt-4o", "GPT*", "*4o*", "a*b*c", "*", "*-mini", "gpt-4o*mini"])
@pytest.mark.parametrize("name", ["gpt-4o", "Gpt-4o-mini", "abc", "aXbYc", "ab", "gpt-4omini"])
def test_patterns_match_like_those_of_the_server(pattern: str, name: str) -> None:
    assert matches(pattern, name) == Pattern(pattern).fits(name)
