"""The terms of a workspace: projects, custom prices, policy and retention, and the project and price of a call by them.

Recording and estimating calls both start here.
"""

from datetime import datetime, timedelta
from uuid import UUID

from database import Database
from providers import CustomPrices, Policy, PriceBook
from schemas.identities import Identity
from schemas.reservations import PlannedCall
from schemas.terms import Estimate, Terms
from schemas.usage import Usage
from utils.errors import NotFound
from utils.ids import is_uuid
from utils.recent import Recent
from utils.time import hour_before

# The earliest time of any event.
EARLIEST = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
_MOST_KEPT = 1_000


class WorkspaceTerms:
    """The terms of one workspace at a version."""

    def __init__(self, terms: Terms) -> None:
        self.version = terms.version
        self.prices = CustomPrices(terms.prices)
        self.policy = Policy(terms.settings)
        self._events_since = terms.events_since or EARLIEST
        days = terms.settings.retention_days
        self._retention = None if days is None else timedelta(days=days)
        self._projects = {str(project.id): project.key for project in terms.projects}
        # A name wins over an id that reads the same.
        self._projects |= {project.name: project.key for project in terms.projects}

    def project(self, name: str) -> str | None:
        """The key of the project of that name or id; None when there is none."""
        return self._projects.get(name) or self._projects.get(name.lower() if is_uuid(name) else name)

    def earliest(self, at: datetime) -> datetime:
        """The earliest time of an event: older ones may have been deleted, and would count a second time."""
        if self._retention is None:
            return self._events_since
        return max(self._events_since, hour_before(at - self._retention))

    def estimate(self, identity: Identity, call: PlannedCall, prices: PriceBook, at: datetime) -> Estimate:
        """A planned call under its recorded names, its project, the most it can cost, and the settings it violates."""
        project = identity.project or "" if call.project is None else self.project(call.project)
        usage = Usage(call.input_tokens, output_tokens=call.max_output_tokens)
        provider, model = prices.names(call.provider, call.model)
        price = prices.ceiling(provider, model, usage, at, self.prices)
        named = call.model_copy(update={"provider": provider, "model": model})
        return Estimate(named, project, price, self.policy.breaches(provider, model, usage.total_tokens, call.model))


class TermsEngine:
    """Looks up the terms of workspaces, each at most once a second.

    Changes by other processes appear within a second, own changes immediately after `forget`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent: Recent[UUID, WorkspaceTerms] = Recent(self._look_up)
        # Kept for longer than a second, by last use: the database sends terms only if their version has changed.
        self._kept: dict[UUID, WorkspaceTerms] = {}

    async def get(self, workspace_id: UUID) -> WorkspaceTerms:
        """The terms of a workspace. Raises NotFound."""
        return await self._recent.get(workspace_id)

    def forget(self) -> None:
        """Clears the cache, because a project, a price or a setting has changed."""
        self._recent.forget()

    async def _look_up(self, workspace_id: UUID) -> WorkspaceTerms:
        terms = self._kept.get(workspace_id)
        changed = await self._database.workspace_terms(workspace_id, terms.version if terms else None)
        if changed is not None:
            terms = WorkspaceTerms(changed)
        if terms is None:
            raise NotFound("Workspace not found")
        self._kept.pop(workspace_id, None)
        if len(self._kept) >= _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[workspace_id] = terms
        return terms
