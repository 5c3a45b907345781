"""Accounts and sessions."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function
from schemas.accounts import Account, Credentials, RefreshedAccount, Session


class AccountQueries(Functions):
    @function
    async def signup(
        self,
        *,
        user_id: UUID,
        workspace_id: UUID,
        session_id: UUID,
        refresh_id: UUID,
        email: str,
        name: str,
        password_hash: str,
        device: str,
        now: datetime,
        expires_at: datetime,
    ) -> Account | None: ...

    @function
    async def credentials(self, *, email: str | None = None, user_id: UUID | None = None) -> Credentials | None: ...

    @function
    async def session_start(
        self, user_id: UUID, session_id: UUID, refresh_id: UUID, device: str, now: datetime, expires_at: datetime
    ) -> Account | None: ...

    @function
    async def session_use(self, session_id: UUID, workspace_id: UUID | None, now: datetime) -> Account | None:
        """The session's account, in the given workspace or its first. Raises NotFound for another's workspace."""

    @function
    async def session_refresh(
        self,
        session_id: UUID,
        refresh_id: UUID,
        new_refresh_id: UUID,
        grace_seconds: int,
        now: datetime,
        expires_at: datetime,
    ) -> RefreshedAccount | None: ...

    @function
    async def session_end(self, session_id: UUID, now: datetime) -> None: ...

    @function
    async def session_list(self, user_id: UUID, now: datetime) -> list[Session]: ...

    @function
    async def sessions_end(self, user_id: UUID, session_id: UUID | None, now: datetime) -> int:
        """Ends one session of the user, or all of them; returns how many ended."""

    @function
    async def user_update(
        self,
        user_id: UUID,
        session_id: UUID,
        workspace_id: UUID,
        name: str | None,
        password_hash: str | None,
        now: datetime,
    ) -> Account | None: ...

    @function
    async def user_delete(self, user_id: UUID, now: datetime) -> None: ...
