"""Reservations on budgets."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function
from schemas.identities import Identity
from schemas.reservations import Grant, PlannedCall, Reservation


class ReservationQueries(Functions):
    async def reserve(
        self,
        identity: Identity,
        reservation: Reservation,
        call: PlannedCall,
        project: str | None,
        now: datetime,
    ) -> Grant:
        """Holds the estimate for up to the reservation's number of calls on every hard budget that counts them.

        `project` is the key of the calls' project.
        """
        return await self._ask(
            Grant,
            "reserve",
            call,
            workspace_id=identity.workspace_id,
            reservation_id=reservation.id,
            user_id=identity.user_id,
            project=project,
            api_key_id=identity.key_id,
            amount=reservation.estimated_cost or 0,
            calls=reservation.calls,
            pricing=reservation.pricing,
            now=now,
            expires_at=reservation.expires_at,
        )

    @function
    async def reservation_release(
        self, workspace_id: UUID, reservation_id: UUID, calls: int | None, now: datetime
    ) -> bool: ...
