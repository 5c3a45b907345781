"""The identity engine: the caller of a token or an API key, looked up once a second."""

from uuid import UUID

from database import Database
from models import Scope
from schemas.identities import ROLE_SCOPES, Identity
from utils.errors import NotFound, Unauthorized
from utils.keys import API_KEY_PREFIX, key_hash
from utils.recent import Recent
from utils.time import now
from utils.tokens import Tokens

_EVERYTHING: frozenset[Scope] = ROLE_SCOPES["admin"]
_LONGEST_TOKEN = 2048


class IdentityEngine:
    """Finds the caller of a bearer token and their workspace.

    A session or key that another process ends is still accepted here for at most a second.
    """

    def __init__(self, database: Database, tokens: Tokens) -> None:
        self._database = database
        self._tokens = tokens
        self._recent: Recent[tuple[str, UUID | None], Identity] = Recent(self._look_up)

    async def identify(self, token: str, workspace_id: UUID | None = None) -> Identity:
        """The caller of a token, in the given workspace or else in their first one.

        Raises Unauthorized for an invalid token, and NotFound for a workspace that is not theirs.
        """
        if not token or len(token) > _LONGEST_TOKEN:
            raise Unauthorized
        return await self._recent.get((token, workspace_id))

    def forget(self) -> None:
        """Clears the cache of callers, because access rights have changed."""
        self._recent.forget()

    async def _look_up(self, asked: tuple[str, UUID | None]) -> Identity:
        token, workspace_id = asked
        if token.startswith(API_KEY_PREFIX):
            return await self._look_up_key(token, workspace_id)
        session_id, _ = self._tokens.read("access", token)
        account = await self._database.session_use(session_id, workspace_id, now())
        if account is None:
            raise Unauthorized("The session has ended; sign in again")
        return Identity(
            account.user.id, account.workspace_id, ROLE_SCOPES[account.user.role], session_id=account.session_id
        )

    async def _look_up_key(self, token: str, workspace_id: UUID | None) -> Identity:
        key = await self._database.api_key_use(key_hash(token), now())
        if key is None:
            raise Unauthorized("The API key is unknown, expired or revoked")
        if workspace_id not in (None, key.workspace_id):
            raise NotFound("Workspace not found")
        scopes = _EVERYTHING if "admin" in key.scopes else frozenset(key.scopes)
        return Identity(key.created_by, key.workspace_id, scopes, key_id=key.id, project=key.project)
