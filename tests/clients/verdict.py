"""Whether LLMLab has what a client's vendors have counted. Pure: no network, no clock."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from tests.clients.expected import Client, Expected, expected, kind
from tests.clients.vendor import Call

# Names of the counts in an event.
_COUNTS = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_tokens": "cache_read",
    "cache_write_tokens": "cache_write",
    "cache_write_1h_tokens": "cache_write_1h",
    "reasoning_tokens": "reasoning",
}
_NEAR = 1

Event = Mapping[str, Any]


class Verdict(NamedTuple):
    """The row of a client. `right` counts calls that are recorded once and in full; `faults` say what is not.

    `unreported` are calls that the client does not report. Costs are in USD.
    """

    calls: int
    right: int
    twice: int
    lost: int
    unreported: int
    billed: Decimal
    recorded: Decimal
    expected: Decimal
    faults: list[str]

    @property
    def is_right(self) -> bool:
        """Whether nothing differs from what is expected."""
        return not self.faults


def judge(client: Client, calls: Sequence[Call], events: Sequence[Event]) -> Verdict:
    """Compares the calls of a run with the events that LLMLab has of it."""
    wanted = [each for call in calls if (each := expected(client, call)) is not None]
    found, hits, strange = _matched(wanted, events)
    faults: list[str] = []
    if len(calls) != client.answers:
        faults.append(f"the run made {len(calls)} calls instead of {client.answers}")
    if len(hits) != client.cache_hits:
        faults.append(f"{len(hits)} answers from the cache are recorded instead of {client.cache_hits}")
    faults += [f"an event of no call: {_described(event)}" for event in strange]
    right = twice = lost = 0
    for each in wanted:
        of_call = found[each.call.number]
        differences = min((_differences(each, event) for event in of_call), key=len, default=[])
        lost += not of_call
        twice += len(of_call) > 1
        right += len(of_call) == 1 and not differences
        name = f"call {each.call.number}, {kind(each.call)} of {each.call.asked_model}"
        if not of_call:
            faults.append(f"{name}: lost")
        if len(of_call) > each.events:
            faults.append(f"{name}: recorded {len(of_call)} times")
        if differences:
            faults.append(f"{name}: {', '.join(differences)}")
    return Verdict(
        calls=len(calls),
        right=right,
        twice=twice,
        lost=lost,
        unreported=len(calls) - len(wanted),
        billed=sum((call.cost for call in calls if call.cost is not None), Decimal(0)),
        recorded=sum((Decimal(event["cost"]) for event in events if event["cost"] is not None), Decimal(0)),
        expected=sum((each.cost for each in wanted if each.cost is not None), Decimal(0)),
        faults=faults,
    )


def _matched(
    wanted: Sequence[Expected], events: Sequence[Event]
) -> tuple[dict[int, list[Event]], list[Event], list[Event]]:
    """The events of each call by its number, the answers from a client's cache, and events of no call."""
    found: dict[int, list[Event]] = defaultdict(list)
    hits: list[Event] = []
    strange: list[Event] = []
    # The oldest first: what is recorded again comes later.
    for event in sorted(events, key=lambda event: str(event["timestamp"])):
        number = _failed(wanted, found, event) if event["status"] != "success" else _counted(wanted, event)
        if number is None:
            strange.append(event)
        elif event["cost"] == 0 and event["pricing"] == "caller":
            hits.append(event)
        else:
            found[number].append(event)
    return found, hits, strange


def _counted(wanted: Sequence[Expected], event: Event) -> int | None:
    """The call whose output the event has, or nearly has; for embeddings the input."""

    def distance(each: Expected) -> int:
        assert each.tokens is not None
        if each.tokens.output == 0:
            return abs(each.tokens.input - int(event["input_tokens"])) + int(event["output_tokens"])
        return abs(each.tokens.output - int(event["output_tokens"]))

    counted = [each for each in wanted if each.tokens is not None]
    best = min(counted, key=distance, default=None)
    return best.call.number if best is not None and distance(best) <= _NEAR else None


def _failed(wanted: Sequence[Expected], found: Mapping[int, list[Event]], event: Event) -> int | None:
    """A failed call of this provider, if possible one without an event."""
    failed = [each.call for each in wanted if each.tokens is None]
    failed.sort(key=lambda call: (call.provider != event["provider"], len(found.get(call.number, ()))))
    return failed[0].number if failed else None


def _differences(wanted: Expected, event: Event) -> list[str]:
    """What is wrong in an event of a call."""
    call = wanted.call
    differences = []
    if event["provider"] != call.provider:
        differences.append(f"provider {event['provider']} instead of {call.provider}")
    if event["model"] not in (call.asked_model, call.model):
        differences.append(f"model {event['model']} instead of {call.model}")
    if wanted.tokens is not None:
        for name, part in _COUNTS.items():
            if event[name] != getattr(wanted.tokens, part):
                differences.append(f"{name} {event[name]} instead of {getattr(wanted.tokens, part)}")
        if event["cost"] is None or Decimal(event["cost"]) != wanted.cost:
            differences.append(f"cost {event['cost']} instead of {wanted.cost}")
    return differences


def _described(event: Event) -> str:
    tokens = f"{event['input_tokens']} + {event['output_tokens']} tokens"
    return f"{event['status']} of {event['provider']}, {event['model']}, {tokens}"
