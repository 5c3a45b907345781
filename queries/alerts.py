"""Alerts, their channels and deliveries."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function
from schemas.alerts import Alert, AlertChannel, DueDelivery
from schemas.identities import Identity
from schemas.keys import SealedKey


class AlertQueries(Functions):
    async def alert_list(self, workspace_id: UUID, before: tuple[datetime, UUID] | None, limit: int) -> list[Alert]:
        before_at, before_id = before or (None, None)
        return await self._ask(
            list[Alert],
            "alert_list",
            workspace_id=workspace_id,
            before_at=before_at,
            before_id=before_id,
            limit=limit,
        )

    @function
    async def alert_resend(self, workspace_id: UUID, alert_id: UUID, now: datetime) -> Alert: ...

    @function
    async def alert_test(self, workspace_id: UUID, alert_id: UUID, channel_id: UUID, now: datetime) -> Alert: ...

    @function
    async def channel_list(self, workspace_id: UUID) -> list[AlertChannel]: ...

    async def channel_create(self, by: Identity, channel: AlertChannel, ciphertext: str) -> None:
        await self._do(
            "channel_create",
            by,
            user_id=by.user_id,
            channel_id=channel.id,
            kind=channel.kind,
            name=channel.name,
            target=channel.target,
            digest=channel.digest,
            ciphertext=ciphertext,
            now=channel.created_at,
        )

    @function
    async def channel_update(
        self, by: Identity, channel_id: UUID, digest: str | None, now: datetime
    ) -> AlertChannel: ...

    @function
    async def channel_delete(self, by: Identity, channel_id: UUID, now: datetime) -> None: ...

    @function
    async def channel_ciphertexts(self, workspace_id: UUID) -> list[SealedKey]: ...

    @function
    async def channel_reencrypt(self, workspace_id: UUID, channel_id: UUID, before: str, after: str) -> bool:
        """Replaces a ciphertext; false if it is no longer `before`."""

    @function
    async def delivery_claim(self, now: datetime, lease_until: datetime, limit: int) -> list[DueDelivery]:
        """Claims deliveries of any workspace that are due. No other server gets them before the lease ends."""

    async def delivery_done(
        self, due: DueDelivery, error: str | None, retry_at: datetime | None, now: datetime
    ) -> None:
        """Records how an attempt ended. With an error and no time to retry, it was the last one."""
        await self._do(
            "delivery_done",
            workspace_id=due.workspace_id,
            alert_id=due.alert.id,
            channel_id=due.channel_id,
            delivery_id=due.id,
            attempt=due.attempt,
            error=error,
            retry_at=retry_at,
            now=now,
        )

    @function
    async def outbox_pending(self) -> int:
        """The number of deliveries that are waiting, in all workspaces."""
