"""What the workspace decided for its calls."""

from routes.exact import Call, needs, router
from schemas.settings import CallPolicy, SettingsIn, WorkspaceSettings

settings = router("/api/settings", "settings")
older = router("/settings", "settings")


@older.get("", summary="The workspace's settings", deprecated=True)
@settings.get("", summary="The workspace's settings")
@needs("admin")
async def show(call: Call) -> WorkspaceSettings:
    return await call.settings.settings(call.caller)


@older.put("", summary="Change settings; what is left out stays", deprecated=True)
@settings.put("", summary="Change settings; what is left out stays")
@needs("admin")
async def change(call: Call, changes: SettingsIn) -> WorkspaceSettings:
    return await call.settings.change(call.caller, changes)


@settings.get("/policy", summary="What an application has to obey")
@needs("anybody")
async def policy(call: Call) -> CallPolicy:
    return await call.settings.policy(call.caller)
