"""What a workspace decided for its calls."""

from collections.abc import Callable

from database import Database
from providers import Policy
from schemas.identities import Identity
from schemas.live import Changed
from schemas.settings import CallPolicy, SettingsIn, WorkspaceSettings
from utils.time import now


class SettingsEngine:
    """Keeps settings. `terms_changed` and `changed` are called whenever they are changed."""

    def __init__(self, database: Database, terms_changed: Callable[[], None], changed: Changed) -> None:
        self._database = database
        self._terms_changed = terms_changed
        self._changed = changed

    async def settings(self, identity: Identity) -> WorkspaceSettings:
        """The workspace's settings."""
        return await self._database.settings_one(identity.workspace_id)

    async def change(self, identity: Identity, changes: SettingsIn) -> WorkspaceSettings:
        """Changes the settings that are given; the others stay."""
        settings = await self._database.settings_set(identity, changes, now())
        self._terms_changed()
        self._changed(identity.workspace_id, "settings")
        return settings

    async def policy(self, identity: Identity) -> CallPolicy:
        """What of the settings applications have to obey."""
        settings = await self.settings(identity)
        policy = Policy(settings)
        return CallPolicy(
            disabled_models=policy.disabled_models,
            max_tokens_per_request=policy.max_tokens_per_request,
            enable_caching=settings.enable_caching,
        )
