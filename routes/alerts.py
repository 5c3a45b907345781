"""What was told, and where it goes."""

from typing import Annotated
from uuid import UUID

from fastapi import Path

from routes.deps import Cursor, Limit
from routes.exact import Call, needs, problems, router
from schemas.alerts import (
    Alert,
    AlertChannel,
    AlertChannelChange,
    AlertChannelIn,
    AlertChannels,
    AlertPage,
    AlertTest,
    NewAlertChannel,
)

alerts = router("/api/alerts", "alerts")
channels = router("/api/alert-channels", "alerts")


@alerts.get("", summary="What was told and what became of it, newest first")
async def listing(call: Call, limit: Limit = 50, cursor: Cursor = None) -> AlertPage:
    return await call.alerts.alerts(call.caller, cursor, limit)


@alerts.post("/test", status_code=202, responses=problems(404), summary="Send a test message to a channel")
@needs("admin")
async def test(call: Call, wanted: AlertTest) -> Alert:
    return await call.alerts.test(call.caller, wanted.channel_id)


@alerts.post(
    "/{alert_id}/resend", status_code=202, responses=problems(404, 409), summary="Send an alert again to every channel"
)
@needs("admin")
async def resend(call: Call, alert_id: Annotated[UUID, Path(description="An alert's id")]) -> Alert:
    return await call.alerts.resend(call.caller, alert_id)


@channels.get("", summary="Where alerts go, without the secrets")
@needs("admin")
async def channel_listing(call: Call) -> AlertChannels:
    return await call.alerts.channels(call.caller)


@channels.post(
    "",
    status_code=201,
    responses=problems(409, 501),
    summary="Add a channel; the secret a webhook is signed with is shown this once",
)
@needs("admin")
async def create_channel(call: Call, new: AlertChannelIn) -> NewAlertChannel:
    return await call.alerts.create_channel(call.caller, new)


@channels.patch("/{channel_id}", responses=problems(404), summary="Say whether a channel gets digests")
@needs("admin")
async def change_channel(
    call: Call, channel_id: Annotated[UUID, Path(description="A channel's id")], change: AlertChannelChange
) -> AlertChannel:
    return await call.alerts.change_channel(call.caller, channel_id, change)


@channels.delete("/{channel_id}", status_code=204, responses=problems(404), summary="Delete a channel")
@needs("admin")
async def delete_channel(call: Call, channel_id: Annotated[UUID, Path(description="A channel's id")]) -> None:
    return await call.alerts.delete_channel(call.caller, channel_id)
