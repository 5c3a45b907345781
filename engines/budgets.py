"""The budget engine: limits, how much of each is used, and money held for calls in progress."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from database import Database
from engines.changes import Changes
from engines.terms import TermsEngine
from providers import PriceBook
from schemas.budgets import Budget, BudgetIn, BudgetList
from schemas.identities import Identity
from schemas.reservations import BudgetRoom, Guarded, PlannedCall, Refusal, Reservation, ReservationIn
from utils.errors import Forbidden, NotFound, PaymentRequired
from utils.ids import uuid7
from utils.money import exact_dollars
from utils.time import now


class BudgetEngine:
    """Keeps budgets, compares them with what was spent, and holds money for calls that are about to be made."""

    def __init__(self, database: Database, prices: PriceBook, terms: TermsEngine, changes: Changes) -> None:
        self._database = database
        self._prices = prices
        self._terms = terms
        self._changes = changes

    async def budgets(self, identity: Identity) -> BudgetList:
        """Every budget of the workspace with its current period."""
        return await self._database.budget_list(identity.workspace_id, now())

    async def set(self, identity: Identity, budget: BudgetIn) -> Budget:
        """Sets the budget of a scope and period; one that exists is changed and keeps its id.

        Raises NotFound when the scope names a project or an API key that does not exist.
        """
        at = now()
        provider = budget.scope.provider
        if provider is not None:
            scope = budget.scope.model_copy(update={"provider": self._prices.provider_id(provider)})
            budget = budget.model_copy(update={"scope": scope})
        name = budget.name or f"{budget.period.capitalize()} budget"
        kept = await self._database.budget_set(identity, uuid7(at), budget, name, at)
        self._changes.note(identity.workspace_id, "budgets")
        return kept

    async def delete(self, identity: Identity, budget_id: UUID) -> None:
        """Removes a budget. Raises NotFound."""
        if not await self._database.budget_delete(identity, budget_id, now()):
            raise NotFound("Budget not found")
        self._changes.note(identity.workspace_id, "budgets")

    # The guard

    async def check(self, identity: Identity, call: PlannedCall) -> Guarded:
        """Whether the settings allow the call and every hard budget that counts it has room for the most it can cost.

        Holds nothing. A breach of the settings comes before a short budget: more money would not help.
        """
        at = now()
        terms = await self._terms.get(identity.workspace_id)
        named, project, price, breaches = terms.estimate(identity, call, self._prices, at)
        rooms = await self._database.budgets_of_call(identity, named, project, at)
        short = next((room for room in rooms if room.hard and room.remaining < (price.cost or 0)), None)
        tightest = rooms[0] if rooms else None
        refusal: tuple[Refusal, str] | None = breaches[0] if breaches else None
        if refusal is None and short is not None:
            refusal = "budget", _shortage(short, price.cost)
        reason, detail = refusal or (None, None)
        return Guarded(
            allowed=refusal is None,
            reason=reason,
            detail=detail,
            estimated_cost=price.cost,
            pricing=price.pricing,
            tightest_budget=tightest,
            remaining=None if tightest is None else tightest.remaining,
        )

    async def reserve(self, identity: Identity, call: ReservationIn) -> Reservation:
        """Holds the most the calls can cost on each hard budget that counts them. Raises PaymentRequired.

        Of several calls, as many are granted as fit into a tenth of what the budgets have left, and at least one.

        Raises Forbidden for a call that the settings do not allow. A call without any known price holds nothing: it
        adds nothing to the spend.
        """
        at = now()
        terms = await self._terms.get(identity.workspace_id)
        named, project, price, breaches = terms.estimate(identity, call, self._prices, at)
        if breaches:
            raise Forbidden(breaches[0].detail, reason=breaches[0].reason)
        reservation = Reservation(
            id=uuid7(at),
            calls=call.calls,
            estimated_cost=price.cost,
            pricing=price.pricing,
            expires_at=at + timedelta(seconds=call.seconds),
        )
        grant = await self._database.reserve(identity, reservation, named, project, at)
        if (short := grant.short) is not None:
            raise PaymentRequired(
                _shortage(short, price.cost),
                reason="budget",
                budget_id=short.id,
                budget=short.name,
                remaining=short.remaining,
            )
        self._changes.note(identity.workspace_id, "budgets")
        return reservation.model_copy(update={"calls": grant.calls})

    async def release(self, identity: Identity, reservation_id: UUID, calls: int | None) -> None:
        """Releases calls of a reservation, or all without a number. Raises NotFound if it is settled or has expired."""
        if not await self._database.reservation_release(identity.workspace_id, reservation_id, calls, now()):
            raise NotFound("Reservation not found")
        self._changes.note(identity.workspace_id, "budgets")


def _shortage(room: BudgetRoom, cost: Decimal | None) -> str:
    left, most = (exact_dollars(max(amount, Decimal(0))) for amount in (room.remaining, cost or Decimal(0)))
    return (
        f"The budget {room.name!r} has {left} left until {room.period_end:%Y-%m-%d %H:%M} UTC, "
        f"but this call may cost {most}"
    )
