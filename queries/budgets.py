"""Budgets."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function
from schemas.alerts import Contributor
from schemas.budgets import Budget, BudgetIn, BudgetList
from schemas.identities import Identity
from schemas.reservations import BudgetRoom, PlannedCall


class BudgetQueries(Functions):
    @function
    async def budget_list(self, workspace_id: UUID, now: datetime, budget_id: UUID | None = None) -> BudgetList: ...

    async def budget_set(self, by: Identity, budget_id: UUID, budget: BudgetIn, name: str, now: datetime) -> Budget:
        """Sets the budget of a scope and period. Raises NotFound for a project or API key that does not exist."""
        scope = budget.scope
        tag_key, _, tag_value = (scope.tag or "").partition("=")
        answer = await self._ask(
            BudgetList,
            "budget_set",
            by,
            budget_id=budget_id,
            user_id=by.user_id,
            name=name,
            limit=budget.limit,
            period=budget.period,
            starts_on=budget.custom.start if budget.custom else None,
            days=budget.custom.days if budget.custom else None,
            project=scope.project,
            provider=scope.provider,
            model=scope.model,
            model_like=_like(scope.model),
            tag_key=tag_key or None,
            tag_value=tag_value or None,
            api_key_id=scope.api_key,
            hard=budget.hard,
            thresholds=budget.thresholds,
            tz=budget.tz,
            now=now,
        )
        return answer.budgets[0]

    @function
    async def budget_contributors(self, workspace_id: UUID, budget_id: UUID, start: datetime) -> list[Contributor]:
        """The models with the highest cost of a budget in its period from `start`."""

    @function
    async def budget_delete(self, by: Identity, budget_id: UUID, now: datetime) -> bool: ...

    async def budgets_of_call(
        self, identity: Identity, call: PlannedCall, project: str | None, now: datetime
    ) -> list[BudgetRoom]:
        """The budgets that count a call, the tightest first; `project` is its project's key."""
        return await self._ask(
            list[BudgetRoom],
            "budgets_of_call",
            call,
            workspace_id=identity.workspace_id,
            project=project,
            api_key_id=identity.key_id,
            now=now,
        )


def _like(pattern: str | None) -> str | None:
    """A pattern in which * matches anything, as ilike reads it."""
    if pattern is None:
        return None
    return pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
