"""The budget engine: limits, and how much of each is used."""

from uuid import UUID

from database import Database
from models import Budget, BudgetIn, BudgetList, Identity
from utils.errors import NotFound
from utils.ids import uuid7
from utils.time import now


class BudgetEngine:
    """Keeps budgets and compares them with what was spent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def budgets(self, identity: Identity) -> BudgetList:
        """Every budget of the workspace with its current period."""
        return await self._database.budget_list(identity.workspace_id, now())

    async def set(self, identity: Identity, budget: BudgetIn) -> Budget:
        """Sets the budget of a scope and period; one that exists is changed and keeps its id."""
        at = now()
        name = budget.name or f"{budget.period.capitalize()} budget"
        return await self._database.budget_set(identity, uuid7(at), budget, name, at)

    async def delete(self, identity: Identity, budget_id: UUID) -> None:
        """Removes a budget. Raises NotFound."""
        if not await self._database.budget_delete(identity, budget_id, now()):
            raise NotFound("Budget not found")
