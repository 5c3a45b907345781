"""Frequent calls share reservations; rate limits are waited for; a hard budget holds through restarts and kills."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

import llmlab
from cents import CENT_TOKENS, budget, cent, state
from llmlab import _runtime
from llmlab._runtime import Runtime
from programs import SDK, run
from tests.support.product import PATIENCE, Server, environment
from tests.support.workspace import Workspace

Configure = Callable[..., None]
RESERVATIONS = "/api/budgets/reservations"


class Line:
    """The connection of the SDK to LLMLab. Counts requests by path, and answers some of them itself."""

    def __init__(self) -> None:
        self.runtime: Runtime = _runtime.current()  # type: ignore[assignment]
        self.requests: Counter[str] = Counter()
        # The status that a path answers with, without asking LLMLab, and for how many requests.
        self.answers: dict[str, list[int]] = {}
        self.retry_after = "0"
        self._request = self.runtime.http.request
        self.runtime.http.request = self._ask  # type: ignore[method-assign]

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        self.requests[f"{method} {path.removesuffix('/' + path.split('/')[-1]) if method == 'DELETE' else path}"] += 1
        if self.answers.get(path):
            status = self.answers[path].pop()
            if status == 0:
                raise httpx.ConnectError("refused")
            return httpx.Response(status, headers={"Retry-After": self.retry_after}, json={"detail": "No"})
        return self._request(method, path, **options)


def eventually(holds: Callable[[], bool]) -> None:
    """Waits until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def unused() -> int:
    """The number of calls in leases."""
    runtime = _runtime.current()
    assert runtime is not None
    return sum(lease.calls for form in runtime.guard._leases._forms.values() for lease in form.leases)


def made(count: int) -> int:
    """Makes calls of a cent; returns how many were made."""
    calls: list[int] = []
    for _ in range(count):
        try:
            cent(calls)
        except llmlab.BudgetExceeded:
            continue
    return len(calls)


# Leases


def test_frequent_calls_share_reservations_and_unused_calls_are_returned(
    configure: Configure, workspace: Workspace
) -> None:
    budget(workspace, 10_000)
    configure(enforce_budget=True, timeout=PATIENCE)
    line = Line()
    assert made(200) == 200
    assert line.requests[f"POST {RESERVATIONS}"] < 100
    assert llmlab.flush()
    # Without another call, the thread returns the rest.
    eventually(lambda: state(workspace)[1] == 0)
    assert (state(workspace)[0], workspace.count()) == (2, 200)
    made(20)
    assert line.runtime.guard.due() < float("inf")
    configure()
    assert state(workspace) == (Decimal("2.2"), 0)


def test_calls_in_progress_stay_reserved_when_unused_ones_are_returned(
    configure: Configure, workspace: Workspace
) -> None:
    budget(workspace, 10_000)
    configure(enforce_budget=True, timeout=PATIENCE)
    guard = Line().runtime.guard
    while unused() < 3:
        made(1)
    with llmlab.track("openai", "gpt-4o", input_tokens=CENT_TOKENS, max_output_tokens=0) as call:
        call.usage(CENT_TOKENS, 0)
        assert llmlab.flush()
        eventually(lambda: guard.due() == float("inf"))
        assert llmlab.flush()
        assert state(workspace)[1] == Decimal("0.01")
    assert llmlab.flush()
    assert state(workspace)[1] == 0


def test_a_lease_is_for_calls_of_its_form_and_size(configure: Configure, workspace: Workspace) -> None:
    budget(workspace, 10_000)
    configure(enforce_budget=True, timeout=PATIENCE)
    line = Line()

    def call(tokens: int, **form: Any) -> None:
        with llmlab.track("openai", "gpt-4o", input_tokens=tokens, max_output_tokens=0, **form) as one:
            one.usage(tokens, 0)

    while unused() < 3:
        call(CENT_TOKENS)
    before, asked = unused(), line.requests[f"POST {RESERVATIONS}"]
    call(CENT_TOKENS // 2)
    assert (unused(), line.requests[f"POST {RESERVATIONS}"]) == (before - 1, asked)
    call(CENT_TOKENS, tags={"team": "search"})
    assert (unused(), line.requests[f"POST {RESERVATIONS}"]) == (before - 1, asked + 1)
    call(CENT_TOKENS * 2)
    assert line.requests[f"POST {RESERVATIONS}"] == asked + 2


def test_calls_to_come_never_refuse_the_call_itself(configure: Configure, workspace: Workspace) -> None:
    budget(workspace, 10)
    configure(enforce_budget=True, timeout=PATIENCE)
    with pytest.raises(KeyError), llmlab.track("openai", "gpt-4o", input_tokens=8 * CENT_TOKENS, max_output_tokens=0):
        raise KeyError
    assert llmlab.flush()
    # A reservation for calls as large as the first would not fit, but each of these does.
    assert made(12) == 10


async def test_coroutines_take_calls_from_a_lease(configure: Configure, workspace: Workspace) -> None:
    budget(workspace, 10_000)
    configure(enforce_budget=True, timeout=PATIENCE)
    line = Line()
    for _ in range(200):
        async with llmlab.track("openai", "gpt-4o", input_tokens=CENT_TOKENS, max_output_tokens=0) as call:
            call.usage(CENT_TOKENS, 0)
    assert line.requests[f"POST {RESERVATIONS}"] < 100


def test_a_forked_child_has_no_leases(workspace: Workspace, spool: Path) -> None:
    budget(workspace, 10_000)
    code = f"""
        import os, llmlab
        from llmlab import _runtime
        def call():
            with llmlab.track("openai", "gpt-4o", input_tokens={CENT_TOKENS}, max_output_tokens=0) as one:
                one.usage({CENT_TOKENS}, 0)
        guard = _runtime.current().guard
        while guard.due() == float("inf"):
            call()
        child = os.fork()
        assert (guard.due() == float("inf")) != bool(child)
        call()
        assert llmlab.flush()
        if child:
            assert os.waitpid(child, 0)[1] == 0
    """
    run(code, LLMLAB_API_KEY=workspace.key, LLMLAB_URL=workspace.url, LLMLAB_SPOOL_DIR=str(spool),
        LLMLAB_ENFORCE_BUDGET="true", LLMLAB_TIMEOUT="60")  # fmt: skip
    assert state(workspace)[1] == 0


def test_300_frequent_calls_use_up_a_budget_and_no_more(configure: Configure, workspace: Workspace) -> None:
    budget(workspace, 100)
    configure(enforce_budget=True, timeout=PATIENCE, on_unreachable="refuse")
    became: Counter[str] = Counter()

    def some() -> None:
        for _ in range(75):
            try:
                # Costs 0.0072 USD of a maximum of 0.01.
                with llmlab.track("openai", "gpt-4o", input_tokens=CENT_TOKENS, max_output_tokens=0) as call:
                    call.usage(2_880, 0)
                became["made"] += 1
            except llmlab.BudgetExceeded:
                became["refused"] += 1
                # As time passes between the calls of an application, events are delivered.
                llmlab.flush(PATIENCE)

    threads = [threading.Thread(target=some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert llmlab.flush()
    assert sum(became.values()) == 300
    assert Decimal("0.98") < state(workspace)[0] <= 1
    assert state(workspace)[0] == Decimal("0.0072") * became["made"]


# While LLMLab does not answer


def test_a_rate_limit_is_waited_for(configure: Configure, workspace: Workspace) -> None:
    budget(workspace, 100)
    configure(enforce_budget=True, timeout=PATIENCE, on_unreachable="refuse")
    line = Line()
    line.answers[RESERVATIONS] = [429, 429, 429]
    line.retry_after = "1"
    assert made(1) == 1
    assert line.requests[f"POST {RESERVATIONS}"] == 4
    assert llmlab.stats().unchecked == 0


@pytest.mark.parametrize("policy", ["allow", "refuse"])
def test_a_rate_limit_beyond_the_timeout_is_decided_by_the_setting(
    policy: str, configure: Configure, workspace: Workspace
) -> None:
    budget(workspace, 100)
    configure(enforce_budget=True, timeout=1, on_unreachable=policy)
    line = Line()
    line.answers[RESERVATIONS] = [429]
    line.retry_after = "60"
    for _ in range(5):
        if policy == "refuse":
            with pytest.raises(llmlab.Unreachable, match="No"):
                cent([])
        else:
            cent([])
    # LLMLab is not asked again before it wants to be.
    assert line.requests[f"POST {RESERVATIONS}"] == 1
    assert llmlab.stats().unchecked == (5 if policy == "allow" else 0)


def test_calls_without_a_check_are_counted_and_shown(
    configure: Configure, workspace: Workspace, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget(workspace, 100)
    configure(enforce_budget=True)
    line = Line()
    line.answers[RESERVATIONS] = [0]
    assert made(14) == 14
    line.runtime.guard._quiet_until = 0
    made(1)
    assert (llmlab.stats().unchecked, caplog.text.count("Calls made without a budget check")) == (14, 1)
    # A minute later.
    monkeypatch.setattr("llmlab._logs._logged_at", {})
    line.runtime.guard.idle()
    line.runtime.guard.idle()
    assert caplog.text.count("Calls made without a budget check so far: 14") == 1
    assert llmlab.flush()
    (found,) = workspace.ask("GET", "/api/budgets")["budgets"]
    assert (found["unchecked_calls"], found["current_spend"]) == (14, Decimal("0.15"))


def test_nothing_is_reserved_while_events_wait_for_long(configure: Configure, workspace: Workspace) -> None:
    budget(workspace, 3)
    configure(enforce_budget=True, timeout=PATIENCE, on_unreachable="refuse", flush_interval=60)
    line = Line()
    assert made(2) == 2
    # The reservations of these calls may have expired before their events arrive.
    line.runtime.outbox._clear_at = float("-inf")
    line.answers["/api/events/batch"] = [503]
    with pytest.raises(llmlab.Unreachable, match="Events of earlier calls"):
        cent([])
    line.runtime.guard._quiet_until = 0
    assert made(1) == 1
    assert state(workspace) == (Decimal("0.02"), Decimal("0.01"))


def test_the_events_of_an_earlier_process_are_delivered_before_a_reservation(
    configure: Configure, workspace: Workspace, spool: Path
) -> None:
    budget(workspace, 3)
    code = """
        import os, llmlab
        for number in range(3):
            llmlab.log_call("openai", "gpt-4o", input_tokens=4_000, output_tokens=0)
        os._exit(0)
    """
    run(code, LLMLAB_API_KEY=workspace.key, LLMLAB_URL=workspace.url, LLMLAB_SPOOL_DIR=str(spool))
    configure(enforce_budget=True, timeout=PATIENCE)
    with pytest.raises(llmlab.BudgetExceeded):
        cent([])


# Processes, threads, a server that restarts, and a process that is killed


def test_a_hard_budget_holds_through_restarts_and_kills(own_server: Server, spool: Path) -> None:
    workspace = Workspace(own_server.url)
    budget(workspace, 100)
    code = f"""
        import threading, time, llmlab
        def calls():
            for number in range(400):
                try:
                    with llmlab.track("openai", "gpt-4o", input_tokens={CENT_TOKENS}, max_output_tokens=0) as call:
                        call.usage({CENT_TOKENS}, 0)
                except llmlab.BudgetExceeded:
                    pass
                time.sleep(0.01)
        threads = [threading.Thread(target=calls) for _ in range(3)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
    """
    variables = environment(
        PYTHONPATH=str(SDK), LLMLAB_API_KEY=workspace.key, LLMLAB_URL=own_server.url, LLMLAB_SPOOL_DIR=str(spool),
        LLMLAB_ENFORCE_BUDGET="true", LLMLAB_FLUSH_INTERVAL="0.2",
    )  # fmt: skip
    processes = [subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], env=variables) for _ in range(4)]
    try:
        eventually(lambda: workspace.count() > 10)
        os.kill(processes[0].pid, signal.SIGKILL)
        own_server.stop()
        own_server.start()
        os.kill(processes[1].pid, signal.SIGTERM)
    finally:
        for process in processes:
            process.wait(PATIENCE)
    # Sends what the two left.
    run("import llmlab; assert llmlab.flush(60)", LLMLAB_API_KEY=workspace.key, LLMLAB_URL=own_server.url,
        LLMLAB_SPOOL_DIR=str(spool))  # fmt: skip
    (found,) = workspace.ask("GET", "/api/budgets")["budgets"]
    assert found["current_spend"] == Decimal("0.01") * workspace.count()
    assert found["current_spend"] <= 1 + Decimal("0.01") * found["unchecked_calls"]
    assert found["current_spend"] > Decimal("0.5")
