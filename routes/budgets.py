"""Limits, and how much of each is used."""

from typing import Annotated
from uuid import UUID

from fastapi import Path

from models import Budget, BudgetIn, BudgetList
from routes.deps import Admin, Budgets, Caller, problems, router

budgets = router("/api/budgets", "budgets")


@budgets.get("", summary="Every budget with its current period")
async def listing(caller: Caller, budgets: Budgets) -> BudgetList:
    return await budgets.budgets(caller)


@budgets.post(
    "", status_code=201, responses=problems(403), summary="Set the budget of a period; one that exists is changed"
)
async def put(caller: Admin, budget: BudgetIn, budgets: Budgets) -> Budget:
    return await budgets.set(caller, budget)


@budgets.delete("/{budget_id}", status_code=204, responses=problems(403, 404), summary="Delete a budget")
async def delete(
    caller: Admin, budget_id: Annotated[UUID, Path(description="A budget's id")], budgets: Budgets
) -> None:
    return await budgets.delete(caller, budget_id)
