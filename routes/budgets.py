"""Limits, and how much of each is used."""

from typing import Annotated
from uuid import UUID

from fastapi import Path

from models import Budget, BudgetIn, BudgetList
from routes.exact import Call, needs, problems, router

budgets = router("/api/budgets", "budgets")


@budgets.get("", summary="Every budget with its current period")
async def listing(call: Call) -> BudgetList:
    return await call.budgets.budgets(call.caller)


@budgets.post("", status_code=201, summary="Set the budget of a period; one that exists is changed")
@needs("admin")
async def put(call: Call, budget: BudgetIn) -> Budget:
    return await call.budgets.set(call.caller, budget)


@budgets.delete("/{budget_id}", status_code=204, responses=problems(404), summary="Delete a budget")
@needs("admin")
async def delete(call: Call, budget_id: Annotated[UUID, Path(description="A budget's id")]) -> None:
    return await call.budgets.delete(call.caller, budget_id)
