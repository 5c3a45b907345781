"""The account engine: signup, login and sessions."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from database import Database
from engines.access import Access
from schemas.accounts import Account, AccountChange, Ended, Login, Message, Sessions, SignedIn, Signup, User
from schemas.identities import Identity
from utils.errors import BadRequest, NotFound, TooManyRequests, Unauthorized, Unavailable
from utils.ids import uuid7
from utils.passwords import hash_password, verify_password
from utils.time import now
from utils.tokens import Tokens, Use

_DEVICE_LENGTH = 256
# Grace period in which a browser that lost an answer may send its refresh token again.
_RELOAD_SECONDS = 10
# Limit of failed logins to one account from one address: ten in any 15 minutes.
_FAILURES: RateLimitItem = RateLimitItemPerMinute(10, 15)


class AccountEngine:
    """Signs people up and in, and keeps their sessions. Tells `access` when a session ends."""

    def __init__(
        self,
        database: Database,
        tokens: Tokens,
        access_lifetime: timedelta,
        refresh_lifetime: timedelta,
        storage: Storage,
        access: Access,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._access_lifetime = access_lifetime
        self.refresh_lifetime = refresh_lifetime
        self._attempts = MovingWindowRateLimiter(storage)
        self._access = access

    async def signup(self, new: Signup, device: str) -> SignedIn:
        """Creates a user, their workspace and a session. Raises BadRequest when the address is taken."""
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
            device=_shown(device),
            now=at,
            expires_at=at + self.refresh_lifetime,
        )
        if account is None:
            raise BadRequest("Email already registered")
        return self._signed_in(account, refresh_id, at)

    async def login(self, login: Login, address: str, device: str) -> SignedIn:
        """Creates a session. Raises Unauthorized for an unknown account and a wrong password, after the same work.

        Raises TooManyRequests after too many failures for an account from one address; other addresses stay allowed.
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
            credentials.user_id, uuid7(at), refresh_id, _shown(device), at, at + self.refresh_lifetime
        )
        if account is None:
            raise Unauthorized("Invalid email or password")
        await self._attempts.clear(_FAILURES, *attempt)
        return self._signed_in(account, refresh_id, at)

    async def refresh(self, refresh_token: str, *, from_browser: bool) -> SignedIn:
        """New tokens for a session. A refresh token works once; a second use ends the session.

        A browser that was reloaded has lost the answer and sends its token again: that works for ten seconds.
        """
        session_id, refresh_id = self._tokens.read("refresh", refresh_token)
        at = now()
        grace = _RELOAD_SECONDS if from_browser else 0
        account = await self._database.session_refresh(
            session_id, refresh_id, uuid4(), grace, at, at + self.refresh_lifetime
        )
        if account is None:
            self._access.changed()
            raise Unauthorized("The session has ended; sign in again")
        return self._signed_in(account, account.refresh_id, at)

    async def logout(self, access_token: str | None, refresh_token: str | None) -> Message:
        """Ends the sessions of the tokens. Invalid tokens are ignored."""
        sent: tuple[tuple[Use, str | None], ...] = (("access", access_token), ("refresh", refresh_token))
        for session_id in {session for use, token in sent if (session := self._session_of(use, token))}:
            await self._database.session_end(session_id, now())
            self._access.changed()
        return Message(message="Signed out")

    async def me(self, identity: Identity) -> User:
        """The caller."""
        account = await self._database.session_use(_session(identity), identity.workspace_id, now())
        if account is None:
            raise Unauthorized("The session has ended; sign in again")
        return account.user

    async def change(self, identity: Identity, change: AccountChange) -> User:
        """Changes the caller's name or password. A new password ends their other sessions."""
        password_hash = None
        if change.password is not None:
            credentials = await self._database.credentials(user_id=identity.user_id)
            current = credentials.password_hash if credentials else None
            if not await verify_password(change.current_password or "", current):
                raise BadRequest("current_password is incorrect")
            password_hash = await hash_password(change.password)
        account = await self._database.user_update(
            identity.user_id, _session(identity), identity.workspace_id, change.name, password_hash, now()
        )
        self._access.changed()
        if account is None:
            raise Unauthorized("The session has ended; sign in again")
        return account.user

    async def delete(self, identity: Identity) -> None:
        """Deletes the caller's account, and the workspaces without another admin with all their data."""
        await self._database.user_delete(identity.user_id, now())
        self._access.changed()

    async def sessions(self, identity: Identity) -> Sessions:
        """The caller's sessions, last used first."""
        found = await self._database.session_list(identity.user_id, now())
        return Sessions(
            sessions=[session.model_copy(update={"current": session.id == identity.session_id}) for session in found]
        )

    async def end_session(self, identity: Identity, session_id: UUID) -> None:
        """Ends one of the caller's sessions. Raises NotFound."""
        if not await self._database.sessions_end(identity.user_id, session_id, now()):
            raise NotFound("Session not found")
        self._access.changed()

    async def end_sessions(self, identity: Identity) -> Ended:
        """Ends all of the caller's sessions, the current one included."""
        ended = await self._database.sessions_end(identity.user_id, None, now())
        self._access.changed()
        return Ended(ended=ended)

    async def _count(self, attempt: tuple[str, str, str]) -> None:
        """Counts an attempt to log in. Raises TooManyRequests when the last ones failed."""
        try:
            if await self._attempts.hit(_FAILURES, *attempt):
                return
            window = await self._attempts.get_window_stats(_FAILURES, *attempt)
        except StorageError as error:
            raise Unavailable("The login limit cannot be checked; try again in a moment") from error
        raise TooManyRequests("failed_logins", "Too many failed logins", window.reset_time - now().timestamp())

    def _session_of(self, use: Use, token: str | None) -> UUID | None:
        """The session of a token; None if the token is not valid."""
        try:
            return self._tokens.read(use, token or "")[0]
        except Unauthorized:
            return None

    def _signed_in(self, account: Account, refresh_id: UUID, at: datetime) -> SignedIn:
        session_id = account.session_id
        return SignedIn(
            access_token=self._tokens.sign("access", session_id, uuid4(), at, at + self._access_lifetime),
            refresh_token=self._tokens.sign("refresh", session_id, refresh_id, at, at + self.refresh_lifetime),
            expires_in=int(self._access_lifetime.total_seconds()),
            user_id=account.user.id,
            workspace_id=account.workspace_id,
            user=account.user,
        )


def _session(identity: Identity) -> UUID:
    """The session of a caller who is signed in."""
    assert identity.session_id is not None
    return identity.session_id


def _shown(device: str) -> str:
    """The name that a device sent, without unprintable characters."""
    return "".join(character for character in device if character.isprintable())[:_DEVICE_LENGTH]
