"""What the workspace decided for its calls."""

from routes.call import Call
from routes.router import Router
from schemas.settings import CallPolicy, SettingsIn, WorkspaceSettings

settings = Router("/api/settings", "settings")


@settings.get("", needs="admin", summary="The workspace's settings")
async def show(call: Call) -> WorkspaceSettings:
    return await call.engines.settings.settings(call.caller)


@settings.put("", needs="admin", summary="Change settings; what is left out stays")
async def change(call: Call, changes: SettingsIn) -> WorkspaceSettings:
    return await call.engines.settings.change(call.caller, changes)


@settings.get("/policy", needs="anybody", summary="What an application has to obey")
async def policy(call: Call) -> CallPolicy:
    return await call.engines.settings.policy(call.caller)
