"""The export engine: events, daily costs and FOCUS charges, each as one file that is made while it is sent."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

import orjson

from database import Database
from schemas.events import EventFilter
from schemas.exports import CostKey
from schemas.identities import Identity
from schemas.ranges import CostRange
from utils.tables import Column, Format, Page, aside, table
from utils.time import midnight, now

_ROWS_AT_ONCE = 500


EVENTS = (
    Column("event_id", "text"),
    Column("timestamp", "time"),
    Column("tracked_at", "time"),
    Column("user_id", "text"),
    Column("project", "text"),
    Column("provider", "text"),
    Column("model", "text"),
    Column("input_tokens", "integer"),
    Column("cache_read_tokens", "integer"),
    Column("cache_write_tokens", "integer"),
    Column("cache_write_1h_tokens", "integer"),
    Column("output_tokens", "integer"),
    Column("reasoning_tokens", "integer"),
    Column("total_tokens", "integer"),
    Column("cost", "decimal"),
    Column("pricing", "text"),
    Column("latency_ms", "float"),
    Column("status", "text"),
    Column("error_message", "text"),
    Column("tags", "json"),
    Column("metadata", "json"),
    Column("usage_detail", "json"),
    Column("policy_violations", "json"),
    Column("reservation_id", "text"),
    Column("unchecked", "boolean"),
    Column("corrected_at", "time"),
)
COSTS = (
    Column("date", "date"),
    Column("project", "text"),
    Column("provider", "text"),
    Column("model", "text"),
    Column("call_count", "integer"),
    Column("error_count", "integer"),
    Column("unpriced_calls", "integer"),
    Column("input_tokens", "integer"),
    Column("cache_read_tokens", "integer"),
    Column("cache_write_tokens", "integer"),
    Column("cache_write_1h_tokens", "integer"),
    Column("output_tokens", "integer"),
    Column("reasoning_tokens", "integer"),
    Column("total_tokens", "integer"),
    Column("total_cost", "decimal"),
)
# Columns of the dataset Cost and Usage of FOCUS 1.4 with known values, then those of LLMLab.
FOCUS = (
    Column("BilledCost", "decimal"),
    Column("BillingAccountId", "text"),
    Column("BillingAccountName", "text"),
    Column("BillingCurrency", "text"),
    Column("BillingPeriodEnd", "time"),
    Column("BillingPeriodStart", "time"),
    Column("ChargeCategory", "text"),
    Column("ChargeClass", "text"),
    Column("ChargeDescription", "text"),
    Column("ChargeFrequency", "text"),
    Column("ChargePeriodEnd", "time"),
    Column("ChargePeriodStart", "time"),
    Column("ContractedCost", "decimal"),
    Column("EffectiveCost", "decimal"),
    Column("HostProviderName", "text"),
    Column("InvoiceIssuerName", "text"),
    Column("ListCost", "decimal"),
    Column("PricingQuantity", "decimal"),
    Column("PricingUnit", "text"),
    Column("ServiceCategory", "text"),
    Column("ServiceName", "text"),
    Column("ServiceProviderName", "text"),
    Column("ServiceSubcategory", "text"),
    Column("SubAccountId", "text"),
    Column("SubAccountName", "text"),
    Column("x_CallCount", "integer"),
    Column("x_ErrorCount", "integer"),
    Column("x_UnpricedCalls", "integer"),
    Column("x_InputTokens", "integer"),
    Column("x_CacheReadTokens", "integer"),
    Column("x_CacheWriteTokens", "integer"),
    Column("x_CacheWrite1hTokens", "integer"),
    Column("x_OutputTokens", "integer"),
    Column("x_ReasoningTokens", "integer"),
    Column("x_TotalTokens", "integer"),
)
_OWN = {
    "x_CallCount": "call_count",
    "x_ErrorCount": "error_count",
    "x_UnpricedCalls": "unpriced_calls",
    "x_InputTokens": "input_tokens",
    "x_CacheReadTokens": "cache_read_tokens",
    "x_CacheWriteTokens": "cache_write_tokens",
    "x_CacheWrite1hTokens": "cache_write_1h_tokens",
    "x_OutputTokens": "output_tokens",
    "x_ReasoningTokens": "reasoning_tokens",
    "x_TotalTokens": "total_tokens",
}


class ExportEngine:
    """Makes the files. The memory it takes does not depend on their size."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def events(self, identity: Identity, wanted: EventFilter, format: Format) -> AsyncIterator[bytes]:
        """The events, newest first, each once. Those that arrive meanwhile may be missing."""
        return table(EVENTS, format, self._events(identity, wanted))

    def costs(self, identity: Identity, wanted: CostRange, format: Format) -> AsyncIterator[bytes]:
        """Costs by day, project and model, oldest first. The cost is null where no call has a price."""
        return table(COSTS, format, self._costs(identity, wanted))

    def focus(self, identity: Identity, wanted: CostRange, format: Format) -> AsyncIterator[bytes]:
        """The same as charges of FOCUS, without those that have no price."""
        return table(FOCUS, format, self._charges(identity, wanted))

    async def _events(self, identity: Identity, wanted: EventFilter) -> AsyncIterator[Page]:
        wanted = replace(wanted, limit=_ROWS_AT_ONCE)
        while text := await self._database.export_events(identity.workspace_id, wanted):
            page = await aside(_event_page, text)
            yield page
            last = datetime.fromisoformat(page["timestamp"][-1]), UUID(page["event_id"][-1])
            wanted = replace(wanted, before=last)

    async def _costs(self, identity: Identity, wanted: CostRange) -> AsyncIterator[Page]:
        start, end = wanted.resolve(now())
        after = None
        while text := await self._database.export_costs(
            identity.workspace_id, start, end, wanted.tz, after, _ROWS_AT_ONCE
        ):
            page = await aside(orjson.loads, text)
            yield page
            after = CostKey(
                date.fromisoformat(page["date"][-1]),
                page["project_key"][-1],
                page["provider"][-1],
                page["model"][-1],
            )

    async def _charges(self, identity: Identity, wanted: CostRange) -> AsyncIterator[Page]:
        async for page in self._costs(identity, wanted):
            yield await aside(charges, page, identity.workspace_id, wanted.tz)


def _event_page(text: str) -> Page:
    page = orjson.loads(text)
    times = {name: page[name] for name in ("timestamp", "tracked_at", "corrected_at")}
    return {**page, **{name: [time and f"{time}Z" for time in values] for name, values in times.items()}}


def charges(costs: Page, workspace_id: UUID, tz: str) -> Page:
    """Costs of one day as charges.

    LLMLab does not invoice them, so BilledCost must be 0; EffectiveCost is the known cost. Each call has one stored
    amount, which is the cost at list prices and by contract too.
    """
    priced = [row for row, cost in enumerate(costs["total_cost"]) if cost is not None]
    of = {name: [values[row] for row in priced] for name, values in costs.items() if isinstance(values, list)}
    day = date.fromisoformat(costs["date"][0])
    month = day.replace(day=1)
    next_month = (month + timedelta(days=31)).replace(day=1)
    same = {
        "BilledCost": "0",
        "BillingAccountId": str(workspace_id),
        "BillingAccountName": costs["workspace"],
        "BillingCurrency": "USD",
        "BillingPeriodStart": _moment(midnight(month, tz)),
        "BillingPeriodEnd": _moment(midnight(next_month, tz)),
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": f"{costs['start']}Z",
        "ChargePeriodEnd": f"{costs['end']}Z",
        # FOCUS requires a quantity only beside the SKU price it is multiplied with, which is not stored.
        "PricingQuantity": None,
        "PricingUnit": None,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
    }
    return {
        **{name: [value] * len(priced) for name, value in same.items()},
        "ChargeDescription": [
            _description(*call) for call in zip(of["model"], of["call_count"], of["unpriced_calls"], strict=True)
        ],
        "ContractedCost": of["total_cost"],
        "EffectiveCost": of["total_cost"],
        "ListCost": of["total_cost"],
        "HostProviderName": of["provider"],
        "InvoiceIssuerName": of["provider"],
        "ServiceProviderName": of["provider"],
        "ServiceName": of["model"],
        "SubAccountId": of["project_id"],
        "SubAccountName": of["project"],
        **{own: of[name] for own, name in _OWN.items()},
    }


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"


def _description(model: str, calls: int, unpriced: int) -> str:
    text = f"{calls} calls of {model}" if calls > 1 else f"1 call of {model}"
    return f"{text}, {unpriced} without a known price and not included in the cost" if unpriced else text
