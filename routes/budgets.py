"""Limits, how much of each is used, and money held for calls under way."""

from typing import Annotated
from uuid import UUID

from fastapi import Path

from routes.call import Call
from routes.router import Router
from routes.schema import problems
from schemas.budgets import Budget, BudgetIn, BudgetList
from schemas.errors import PaymentProblem, PolicyProblem
from schemas.reservations import Guarded, PlannedCall, Reservation, ReservationIn

budgets = Router("/api/budgets", "budgets")
guard = Router("/api/budgets", "budgets")


@budgets.get("", summary="Every budget with its current period")
async def listing(call: Call) -> BudgetList:
    return await call.engines.budgets.budgets(call.caller)


@budgets.post(
    "",
    needs="admin",
    status_code=201,
    responses=problems(404, 409),
    summary="Set the budget of a period; one that exists is changed",
)
async def put(call: Call, budget: BudgetIn) -> Budget:
    return await call.engines.budgets.set(call.caller, budget)


@budgets.delete("/{budget_id:uuid}", needs="admin", status_code=204, responses=problems(404), summary="Delete a budget")
async def delete(call: Call, budget_id: Annotated[UUID, Path(description="A budget's id")]) -> None:
    return await call.engines.budgets.delete(call.caller, budget_id)


@guard.post("/check", needs="events:write", summary="May I make this call? Holds nothing")
async def check(call: Call, planned: PlannedCall) -> Guarded:
    return await call.engines.budgets.check(call.caller, planned)


@guard.post(
    "/reservations",
    needs="events:write",
    status_code=201,
    responses={
        402: {"model": PaymentProblem, "description": "A hard budget has not enough left"},
        403: {"model": PolicyProblem, "description": "The settings do not allow the call, or the role or API key this"},
    },
    summary="Hold the money for a call that is about to be made",
)
async def reserve(call: Call, planned: ReservationIn) -> Reservation:
    return await call.engines.budgets.reserve(call.caller, planned)


@guard.delete(
    "/reservations/{reservation_id}",
    needs="events:write",
    status_code=204,
    responses=problems(404),
    summary="Give back what a reservation holds",
)
async def release(call: Call, reservation_id: Annotated[UUID, Path(description="A reservation's id")]) -> None:
    return await call.engines.budgets.release(call.caller, reservation_id)
