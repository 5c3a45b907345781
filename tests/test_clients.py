"""How the runs of real clients are judged (`./run.sh clients`); the runs themselves are not part of the tests."""

from decimal import Decimal
from typing import Any

import pytest

from tests.clients.environments import HERE, Environment
from tests.clients.expected import Client, Gap, clients
from tests.clients.vendor import Call, answered
from tests.clients.verdict import judge
from tests.clients.wanted import Asked


def _client(*gaps: Gap, answers: int = 1, cache_hits: int = 0) -> Client:
    return Client("a client", "anthropic", "anthropic", [], False, cache_hits, answers, list(gaps))


def _call(kind: str = "messages", model: str = "claude-sonnet-4-5", refused: bool = False) -> Call:
    return answered(Asked(kind, model, {}, False), 1, refused)


def _event(call: Call, **changes: Any) -> dict[str, Any]:
    """What LLMLab has of a call if all is well."""
    tokens = call.tokens
    return {
        "status": "error" if tokens is None else "success",
        "timestamp": "2026-11-30T12:00:00Z",
        "provider": call.provider,
        "model": call.model,
        "input_tokens": tokens.input if tokens else 0,
        "output_tokens": tokens.output if tokens else 0,
        "cache_read_tokens": tokens.cache_read if tokens else 0,
        "cache_write_tokens": tokens.cache_write if tokens else 0,
        "cache_write_1h_tokens": tokens.cache_write_1h if tokens else 0,
        "reasoning_tokens": tokens.reasoning if tokens else 0,
        "cost": call.cost,
        "pricing": "genai-prices",
        **changes,
    }


def test_every_client_has_a_program_and_a_pinned_version() -> None:
    for client in clients().values():
        environment = Environment(client.environment)
        assert (HERE / client.environment / ("run.mjs" if environment.node else "run.py")).exists()
        assert environment.version(client.package)[0].isdigit()


def test_the_documents_list_every_client_with_its_version_and_gaps() -> None:
    listed = (HERE.parent.parent / "docs" / "clients.md").read_text().splitlines()
    for client in clients().values():
        version = f"{client.package} {Environment(client.environment).version(client.package)}"
        gaps = "; ".join(dict.fromkeys(gap.why for gap in client.gaps))
        assert f"| {client.name} | {version} | {gaps} |".replace("|  |", "| |") in listed


def test_a_message_is_billed_by_all_parts_of_its_counts() -> None:
    # 208 tokens at 3 USD a million, 1,001 read at 0.30, 400 written at 3.75, 300 at 6, and 104 of output at 15.
    assert _call().cost == Decimal("0.0057843")


def test_a_call_that_is_recorded_once_and_in_full_is_right() -> None:
    call = _call()
    verdict = judge(_client(), [call], [_event(call)])
    assert verdict.is_right
    assert (verdict.right, verdict.twice, verdict.lost) == (1, 0, 0)
    assert verdict.billed == verdict.recorded == call.cost


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"provider": "unknown"}, "provider unknown instead of anthropic"),
        ({"model": "an alias"}, "model an alias instead of claude-sonnet-4-5-20250929"),
        ({"cache_write_1h_tokens": 0}, "cache_write_1h_tokens 0 instead of 300"),
        ({"cost": Decimal("0.005")}, "cost 0.005 instead of"),
        ({"cost": None}, "cost None instead of"),
    ],
)
def test_what_differs_is_named(changes: dict[str, Any], fault: str) -> None:
    call = _call()
    verdict = judge(_client(), [call], [_event(call, **changes)])
    assert verdict.right == 0
    assert [fault in each for each in verdict.faults] == [True]


def test_calls_that_are_recorded_twice_or_not_at_all_are_counted() -> None:
    call, failed = _call(), _call(refused=True)
    twice = judge(_client(), [call], [_event(call), _event(call)])
    assert (twice.right, twice.twice, twice.lost, twice.is_right) == (0, 1, 0, False)
    assert (lost := judge(_client(), [failed], [])).lost == 1 and not lost.is_right
    assert judge(_client(), [failed], [_event(failed)]).is_right
    assert not judge(_client(), [call], [_event(call), _event(call, output_tokens=9)]).is_right


def test_a_count_that_the_client_does_not_report_is_not_expected() -> None:
    call = _call()
    gap = Gap(["messages"], frozenset({"cache_write_1h"}), "a reason")
    # 300 tokens at 3.75 USD instead of 6.
    assert call.cost is not None
    event = _event(call, cache_write_tokens=700, cache_write_1h_tokens=0, cost=call.cost - Decimal("0.000675"))
    assert judge(_client(gap), [call], [event]).is_right
    assert not judge(_client(gap), [call], [_event(call)]).is_right


def test_a_call_that_the_client_does_not_report_is_not_lost() -> None:
    verdict = judge(_client(Gap([1], frozenset({"call"}), "a reason")), [_call()], [])
    assert (verdict.unreported, verdict.lost, verdict.is_right) == (1, 0, True)


def test_an_answer_from_a_cache_of_the_client_is_no_second_call() -> None:
    call = _call()
    events = [_event(call), _event(call, cost=Decimal(0), pricing="caller")]
    assert judge(_client(cache_hits=1), [call], events).is_right
    assert not judge(_client(), [call], events).is_right
