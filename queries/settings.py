"""Settings of a workspace, and its terms."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function
from schemas.identities import Identity
from schemas.settings import SettingsIn, WorkspaceSettings
from schemas.terms import Terms
from utils import json


class SettingsQueries(Functions):
    @function
    async def settings_one(self, workspace_id: UUID) -> WorkspaceSettings: ...

    async def settings_set(self, by: Identity, changes: SettingsIn, now: datetime) -> WorkspaceSettings:
        """Changes the settings that are given; returns all of them."""
        return await self._ask(
            WorkspaceSettings,
            "settings_set",
            by,
            user_id=by.user_id,
            changes=json.dumps(changes.model_dump(exclude_unset=True)).decode(),
            now=now,
        )

    @function
    async def workspace_terms(self, workspace_id: UUID, known_version: int | None) -> Terms | None:
        """The terms of a workspace; None if they are still at the known version."""
