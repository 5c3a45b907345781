"""Settings of a workspace."""

from routes.call import Call
from routes.router import Router
from schemas.settings import CallPolicy, SettingsIn, WorkspaceSettings

settings = Router("/api/settings", "settings")


@settings.get("", needs="admin", summary="Get the workspace's settings")
async def show(call: Call) -> WorkspaceSettings:
    return await call.engines.settings.settings(call.caller)


@settings.put("", needs="admin", summary="Change settings; omitted fields stay unchanged")
async def change(call: Call, changes: SettingsIn) -> WorkspaceSettings:
    return await call.engines.settings.change(call.caller, changes)


@settings.get("/policy", needs="anybody", summary="Get the policy that applications follow before a call")
async def policy(call: Call) -> CallPolicy:
    return await call.engines.settings.policy(call.caller)
