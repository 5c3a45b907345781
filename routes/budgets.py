"""Budgets, and reservations for calls in progress."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query

from routes.call import Call
from routes.router import Router
from routes.schema import problems
from schemas.budgets import Budget, BudgetIn, BudgetList
from schemas.errors import PaymentProblem, PolicyProblem
from schemas.reservations import Calls, Guarded, PlannedCall, Reservation, ReservationIn

budgets = Router("/api/budgets", "budgets")
guard = Router("/api/budgets", "budgets")


@budgets.get("", summary="List budgets with their current period")
async def listing(call: Call) -> BudgetList:
    return await call.engines.budgets.budgets(call.caller)


@budgets.post(
    "",
    needs="admin",
    status_code=201,
    responses=problems(404, 409),
    summary="Create a budget, or update the one of the same scope and period",
)
async def put(call: Call, budget: BudgetIn) -> Budget:
    return await call.engines.budgets.set(call.caller, budget)


@budgets.delete("/{budget_id:uuid}", needs="admin", status_code=204, responses=problems(404), summary="Delete a budget")
async def delete(call: Call, budget_id: Annotated[UUID, Path(description="A budget's id")]) -> None:
    return await call.engines.budgets.delete(call.caller, budget_id)


@guard.post(
    "/check",
    needs="events:write",
    limit="guard",
    summary="Check a planned call against budgets and settings, without reserving",
)
async def check(call: Call, planned: PlannedCall) -> Guarded:
    return await call.engines.budgets.check(call.caller, planned)


@guard.post(
    "/reservations",
    needs="events:write",
    limit="guard",
    status_code=201,
    responses={
        402: {"model": PaymentProblem, "description": "Insufficient hard budget"},
        403: {
            "model": PolicyProblem,
            "description": "The settings forbid the call, or the role or API key lacks permission",
        },
    },
    summary="Reserve the maximum cost of a planned call, or of several of the same form",
)
async def reserve(call: Call, planned: ReservationIn) -> Reservation:
    return await call.engines.budgets.reserve(call.caller, planned)


@guard.delete(
    "/reservations/{reservation_id}",
    needs="events:write",
    limit="guard",
    status_code=204,
    responses=problems(404),
    summary="Release a reservation, or some of its calls",
)
async def release(
    call: Call,
    reservation_id: Annotated[UUID, Path(description="A reservation's id")],
    calls: Annotated[Calls | None, Query(description="Number of calls to release; all by default")] = None,
) -> None:
    return await call.engines.budgets.release(call.caller, reservation_id, calls)
