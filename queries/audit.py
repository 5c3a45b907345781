"""The audit log."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions
from schemas.workspaces import AuditLine


class AuditQueries(Functions):
    async def audit_list(self, workspace_id: UUID, before: tuple[datetime, UUID] | None, limit: int) -> list[AuditLine]:
        before_at, before_id = before or (None, None)
        return await self._ask(
            list[AuditLine],
            "audit_list",
            workspace_id=workspace_id,
            before_at=before_at,
            before_id=before_id,
            limit=limit,
        )
