"""The settings engine: a workspace's rules for its calls."""

from database import Database
from engines.changes import Changes
from engines.terms import TermsEngine
from providers import Policy
from schemas.identities import Identity
from schemas.settings import CallPolicy, SettingsIn, WorkspaceSettings
from utils.time import now


class SettingsEngine:
    """Keeps settings. Those that applications must obey are the policy."""

    def __init__(self, database: Database, terms: TermsEngine, changes: Changes) -> None:
        self._database = database
        self._terms = terms
        self._changes = changes

    async def settings(self, identity: Identity) -> WorkspaceSettings:
        """The workspace's settings."""
        return await self._database.settings_one(identity.workspace_id)

    async def change(self, identity: Identity, changes: SettingsIn) -> WorkspaceSettings:
        """Changes the settings that are given; the others stay."""
        settings = await self._database.settings_set(identity, changes, now())
        self._terms.forget()
        self._changes.note(identity.workspace_id, "settings")
        return settings

    async def policy(self, identity: Identity) -> CallPolicy:
        """The settings that applications must obey."""
        settings = await self.settings(identity)
        policy = Policy(settings)
        return CallPolicy(
            disabled_models=policy.disabled_models,
            max_tokens_per_request=policy.max_tokens_per_request,
            enable_caching=settings.enable_caching,
        )
