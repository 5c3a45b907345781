"""Accounts: signing up and in, the sessions that hold, and who a token stands for."""

import asyncio
import time
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from database import Database
from models import Account, AccountChange, Identity, Login, Message, SignedIn, Signup, User
from utils.errors import BadRequest, TooManyRequests, Unauthorized, Unavailable
from utils.ids import uuid7
from utils.passwords import hash_password, verify_password
from utils.time import now
from utils.tokens import Tokens

# For so long an ended session may still be let in by a worker other than the one that ended it.
_IDENTITY_SECONDS = 1.0
_IDENTITIES = 10_000
# Ten failed logins to one account from one address in any 15 minutes.
_FAILURES: RateLimitItem = RateLimitItemPerMinute(10, 15)


class AccountEngine:
    """Signs people up and in, and tells who a token stands for."""

    def __init__(
        self,
        database: Database,
        tokens: Tokens,
        access_lifetime: timedelta,
        refresh_lifetime: timedelta,
        storage: Storage,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._access_lifetime = access_lifetime
        self._refresh_lifetime = refresh_lifetime
        self._attempts = MovingWindowRateLimiter(storage)
        self._identities: dict[str, asyncio.Task[Identity]] = {}
        self._identities_until = 0.0

    async def signup(self, new: Signup) -> SignedIn:
        """A new user, their workspace and a session. Raises BadRequest when the address is taken."""
        password_hash = await hash_password(new.password)
        at = now()
        refresh_id = uuid4()
        account = await self._database.signup(
            user_id=uuid7(at),
            workspace_id=uuid7(at),
            session_id=uuid7(at),
            refresh_id=refresh_id,
            email=new.email,
            name=new.name,
            password_hash=password_hash,
            now=at,
            expires_at=at + self._refresh_lifetime,
        )
        if account is None:
            raise BadRequest("Email already registered")
        return self._signed_in(account, refresh_id, at)

    async def login(self, login: Login, address: str) -> SignedIn:
        """A new session. Raises Unauthorized, for either cause alike and after the same work.

        Too many failures for an account from one address raise TooManyRequests; from elsewhere its owner still gets in.
        """
        attempt = ("login", login.email, address)
        await self._count(attempt)
        credentials = await self._database.credentials(email=login.email)
        known = await verify_password(login.password, credentials.password_hash if credentials else None)
        if credentials is None or not known:
            raise Unauthorized("Invalid email or password")
        at = now()
        refresh_id = uuid4()
        account = await self._database.session_start(
            credentials.user_id, uuid7(at), refresh_id, at, at + self._refresh_lifetime
        )
        if account is None:
            raise Unauthorized("Invalid email or password")
        await self._attempts.clear(_FAILURES, *attempt)
        return self._signed_in(account, refresh_id, at)

    async def refresh(self, refresh_token: str) -> SignedIn:
        """New tokens for a session. A refresh token works once; used again it ends the session."""
        session_id, refresh_id = self._tokens.read("refresh", refresh_token)
        at = now()
        new_refresh_id = uuid4()
        account = await self._database.session_refresh(
            session_id, refresh_id, new_refresh_id, at, at + self._refresh_lifetime
        )
        if account is None:
            self._identities.clear()
            raise Unauthorized("The session is over; sign in again")
        return self._signed_in(account, new_refresh_id, at)

    async def logout(self, access_token: str | None) -> Message:
        """Ends the session a token belongs to. Without a valid token there is none to end, which is no error."""
        try:
            session_id, _ = self._tokens.read("access", access_token or "")
        except Unauthorized:
            return Message(message="Signed out")
        await self._database.session_end(session_id, now())
        self._identities.clear()
        return Message(message="Signed out")

    async def me(self, identity: Identity) -> User:
        """The caller."""
        account = await self._database.account_of_session(identity.session_id, now())
        if account is None:
            raise Unauthorized("The session is over; sign in again")
        return account.user

    async def change(self, identity: Identity, change: AccountChange) -> User:
        """Changes the caller's name or password. A new password ends their other sessions."""
        password_hash = None
        if change.password is not None:
            credentials = await self._database.credentials(user_id=identity.user_id)
            current = credentials.password_hash if credentials else None
            if not await verify_password(change.current_password or "", current):
                raise BadRequest("current_password is not right")
            password_hash = await hash_password(change.password)
        account = await self._database.user_update(
            identity.user_id, identity.session_id, change.name, password_hash, now()
        )
        self._identities.clear()
        if account is None:
            raise Unauthorized("The session is over; sign in again")
        return account.user

    async def delete(self, identity: Identity) -> None:
        """Removes the caller's account and the workspaces nobody else administers, with all they hold."""
        await self._database.user_delete(identity.user_id)
        self._identities.clear()

    async def identify(self, access_token: str) -> Identity:
        """Who a token stands for. Raises Unauthorized when it is not valid or its session is over."""
        if not access_token:
            raise Unauthorized
        moment = time.monotonic()
        if moment > self._identities_until or len(self._identities) > _IDENTITIES:
            self._identities.clear()
            self._identities_until = moment + _IDENTITY_SECONDS
        task = self._identities.get(access_token)
        if task is None:
            task = asyncio.create_task(self._identify(access_token))
            self._identities[access_token] = task
        if task.done():
            return task.result()
        # Shielded: the answer belongs to every request that waits for it, not to the one that asked first.
        return await asyncio.shield(task)

    async def _identify(self, access_token: str) -> Identity:
        session_id, _ = self._tokens.read("access", access_token)
        account = await self._database.account_of_session(session_id, now())
        if account is None:
            raise Unauthorized("The session is over; sign in again")
        return Identity(account.user.id, account.workspace_id, account.session_id, account.user.role)

    async def _count(self, attempt: tuple[str, str, str]) -> None:
        """Counts an attempt to log in. Raises TooManyRequests when the last ones failed."""
        try:
            if await self._attempts.hit(_FAILURES, *attempt):
                return
            window = await self._attempts.get_window_stats(_FAILURES, *attempt)
        except StorageError as error:
            raise Unavailable("Logins cannot be counted; try again in a moment") from error
        wait = max(1, int(window.reset_time - now().timestamp()) + 1)
        raise TooManyRequests(wait, f"Too many failed logins; try again in {wait} s")

    def _signed_in(self, account: Account, refresh_id: UUID, at: datetime) -> SignedIn:
        session_id = account.session_id
        return SignedIn(
            access_token=self._tokens.sign("access", session_id, uuid4(), at, at + self._access_lifetime),
            refresh_token=self._tokens.sign("refresh", session_id, refresh_id, at, at + self._refresh_lifetime),
            expires_in=int(self._access_lifetime.total_seconds()),
            user_id=account.user.id,
            workspace_id=account.workspace_id,
            user=account.user,
        )
