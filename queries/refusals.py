"""Requests that limits have refused."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from queries.functions import Functions
from schemas.refusals import Refusal
from utils import json


class RefusalQueries(Functions):
    async def refusals_note(self, workspace_id: UUID, refusals: Sequence[Refusal], now: datetime) -> bool:
        """Adds to the counts of refused requests; true if that has made an alert."""
        return await self._ask(
            bool,
            "refusals_note",
            workspace_id=workspace_id,
            refusals=json.dumps([refusal._asdict() for refusal in refusals]).decode(),
            now=now,
        )
