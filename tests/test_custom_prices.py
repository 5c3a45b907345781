"""Custom prices of a workspace: which one applies, in which period, and with every digit."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import CustomPrices, PriceBook
from schemas.prices import CustomPrice
from schemas.usage import Usage
from tests.support.team import Member, assert_problem, call

AT = datetime(2026, 3, 1, tzinfo=UTC)
BOOK = PriceBook()


def own(**changes: Any) -> CustomPrice:
    """A price of openai's gpt-4o* of 2 and 8 USD per million tokens from 2026 on, with these changes."""
    absolute = {"input": 2, "output": 8} if changes.get("percent_of_list") is None else {}
    return CustomPrice.model_validate(
        {
            "id": uuid4(), "provider": "openai", "model": "gpt-4o*", "starts_at": datetime(2026, 1, 1, tzinfo=UTC),
            "ends_at": None, "percent_of_list": None, "input": None, "cache_read": None, "cache_write": None,
            "cache_write_1h": None, "output": None, "reasoning": None, "request": None, "created_by": uuid4(),
            "created_at": AT, **absolute, **changes,
        }
    )  # fmt: skip


def cost(price: CustomPrice, usage: Usage, model: str = "gpt-4o", at: datetime = AT) -> Decimal | None:
    return BOOK.price("openai", model, usage, at, own=CustomPrices([price])).cost


async def add(admin: Member, **price: Any) -> dict[str, Any]:
    response = await admin.request("POST", "/api/prices", json=price)
    assert response.status_code == 201, response.text
    added: dict[str, Any] = response.json()
    return added


def test_absolute_rates_and_their_defaults() -> None:
    usage = Usage(1000, 200, 30, 4, 500, 100)
    # Cached tokens as input, reasoning as output: (1000 + 200 + 30 + 4) * 2 and 500 * 8 per million.
    assert cost(own(), usage) == Decimal("0.006468")
    named = own(cache_read=1, cache_write=3, cache_write_1h=4, reasoning=16, request="0.01")
    # 1000*2 + 200*1 + 30*3 + 4*4 + 400*8 + 100*16 = 7106 per million, and a cent.
    assert cost(named, usage) == Decimal("0.017106")
    # The hour's rate follows that of five minutes: 1000*2 + 200*2 + 30*3 + 4*3 + 500*8.
    assert cost(own(cache_write=3), usage) == Decimal("0.006502")


def test_a_percentage_of_the_list_price() -> None:
    usage = Usage(1000, output_tokens=500)
    # gpt-4o lists 2.5 and 10 USD: 0.0075 USD.
    assert cost(own(percent_of_list=80), usage) == Decimal("0.006")
    assert cost(own(percent_of_list=0), usage) == 0
    assert cost(own(percent_of_list="33.333333"), usage) == Decimal("0.002499999975")
    assert cost(own(model="*", percent_of_list=80), usage, model="no-such-model") is None


@given(st.decimals("0.000001", 1000, places=6), st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_percentage_keeps_every_digit(percent: Decimal, read: int, written: int) -> None:
    usage = Usage(read, output_tokens=written)
    listed = BOOK.price("openai", "gpt-4o", usage, AT).cost
    found = cost(own(percent_of_list=percent), usage)
    assert listed is not None
    assert found is not None
    assert found.as_integer_ratio() == (listed * percent / 100).as_integer_ratio()


@pytest.mark.parametrize(
    ("pattern", "model", "fits"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "GPT-4o", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o*", "gpt-4o-mini", True),
        ("*-mini", "gpt-4o-mini", True),
        ("gpt*mini*", "gpt-4o-mini-2024", True),
        ("*", "anything at all", True),
        ("gpt.4o", "gpt-4o", False),
        ("gpt-4[o]", "gpt-4o", False),
    ],
)
def test_a_star_is_a_wildcard(pattern: str, model: str, fits: bool) -> None:
    assert (CustomPrices([own(model=pattern)]).find("openai", model, AT) is not None) == fits


def test_the_longest_pattern_wins_then_the_latest_start() -> None:
    wide, narrow = own(model="*"), own(model="gpt-4o")
    older, newer = own(), own(starts_at=datetime(2026, 2, 1, tzinfo=UTC))
    assert CustomPrices([wide, narrow]).find("openai", "gpt-4o", AT) == narrow
    assert CustomPrices([narrow, wide]).find("openai", "gpt-4o", AT) == narrow
    assert CustomPrices([newer, older]).find("openai", "gpt-4o", AT) == newer
    assert CustomPrices([older, newer]).find("openai", "gpt-4o", datetime(2026, 1, 15, tzinfo=UTC)) == older
    assert CustomPrices([older]).find("anthropic", "gpt-4o", AT) is None


def test_a_price_applies_from_its_start_until_before_its_end() -> None:
    start, end = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    prices = CustomPrices([own(starts_at=start, ends_at=end)])
    moment = timedelta(microseconds=1)
    found = [prices.find("openai", "gpt-4o", at) is not None for at in (start - moment, start, end - moment, end)]
    assert found == [False, True, True, False]


@pytest.mark.both_roads
async def test_a_new_price_applies_to_new_events_only(ada: Member, bob: Member) -> None:
    before = (await ada.track()).json()
    price = await add(ada, provider="OpenAI", model="gpt-4o*", percent_of_list=80)
    assert price["provider"] == "openai"
    after = (await ada.track()).json()
    assert (before["cost"], after["cost"], after["pricing"]) == (0.0075, 0.006, f"own:{price['id']}")
    assert (await bob.track()).json()["cost"] == 0.0075
    assert (await ada.track(cost=1)).json()["pricing"] == "caller"
    detail = await ada.get(f"/api/events/{after['event_id']}")
    assert (detail["rates"]["input"], detail["rates"]["output"]) == (2, 8)
    assert (await ada.get(f"/api/events/{before['event_id']}"))["rates"]["input"] == 2.5
    # From its start on: a call made before it is charged from the list.
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    assert (await ada.track(timestamp=yesterday)).json()["cost"] == 0.0075


async def test_an_unlisted_model_gets_a_price(ada: Member) -> None:
    local = {"provider": "my-gpu", "model": "llama-3.3-70b"}
    assert (await ada.track(**local)).json()["cost"] is None
    price = await add(ada, **local, input=0.25, output=0.75, request=0.0001)
    tracked = (await ada.track(**local)).json()
    # 1000 * 0.25 + 500 * 0.75 per million, and a hundredth of a cent.
    assert (tracked["cost"], tracked["pricing"]) == (0.000725, f"own:{price['id']}")
    assert (await ada.batch(call(**local)))["recorded"] == 1
    summary = await ada.get("/api/costs/summary")
    assert (summary["total_cost"], summary["unpriced_calls"]) == (0.00145, 1)


@pytest.mark.both_roads
async def test_a_price_is_ended(ada: Member, bob: Member) -> None:
    start = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    price = await add(ada, provider="openai", model="gpt-4o", percent_of_list=50, starts_at=start)
    path = f"/api/prices/{price['id']}"
    assert (await ada.track()).json()["cost"] == 0.00375
    at = datetime.now(UTC) - timedelta(hours=1)
    ended = await ada.request("PATCH", path, json={"ends_at": at.isoformat()})
    assert datetime.fromisoformat(ended.json()["ends_at"]) == at
    assert (await ada.track()).json()["cost"] == 0.0075
    assert (await ada.track(timestamp=(at - timedelta(hours=1)).isoformat())).json()["cost"] == 0.00375
    assert_problem(
        await ada.request("PATCH", path, json={"ends_at": "2020-01-01T00:00:00Z"}),
        409,
        "A price cannot end before it starts",
    )
    assert_problem(await bob.request("PATCH", path, json={"ends_at": at.isoformat()}), 404, "Price not found")
    (listed,) = (await ada.get("/api/prices"))["prices"]
    assert listed == ended.json()


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"percent_of_list": 80, "input": 1},
        {"input": 1},
        {"output": 1},
        {"request": 1},
        {"percent_of_list": -1},
        {"percent_of_list": 1001},
        {"input": -1, "output": 1},
        {"input": 1, "output": 1, "model": "a*b*c*d*e"},
        {"input": 1, "output": 1, "model": ""},
        {"input": 1, "output": 1, "starts_at": "2026-02-01T00:00:00Z", "ends_at": "2026-02-01T00:00:00Z"},
        {"input": 1, "output": 1, "discount": 5},
    ],
)
async def test_an_invalid_price_is_refused(ada: Member, wrong: dict[str, Any]) -> None:
    response = await ada.request("POST", "/api/prices", json={"provider": "openai", "model": "gpt-4o", **wrong})
    assert_problem(response, 422)
    assert (await ada.get("/api/prices"))["prices"] == []
