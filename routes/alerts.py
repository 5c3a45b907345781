"""Alerts, and the channels they are sent to."""

from typing import Annotated
from uuid import UUID

from fastapi import Path

from routes.call import Call
from routes.deps import Cursor, Limit
from routes.router import Router
from routes.schema import problems
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

alerts = Router("/api/alerts", "alerts")
channels = Router("/api/alert-channels", "alerts")


@alerts.get("", summary="List alerts and their deliveries, newest first")
async def listing(call: Call, limit: Limit = 50, cursor: Cursor = None) -> AlertPage:
    return await call.engines.alerts.alerts(call.caller, cursor, limit)


@alerts.post(
    "/test", needs="admin", status_code=202, responses=problems(404), summary="Send a test message to a channel"
)
async def test(call: Call, wanted: AlertTest) -> Alert:
    return await call.engines.alerts.test(call.caller, wanted.channel_id)


@alerts.post(
    "/{alert_id}/resend",
    needs="admin",
    status_code=202,
    responses=problems(404, 409),
    summary="Send an alert to every channel again",
)
async def resend(call: Call, alert_id: Annotated[UUID, Path(description="An alert's id")]) -> Alert:
    return await call.engines.alerts.resend(call.caller, alert_id)


@channels.get("", needs="admin", summary="List alert channels, without their secrets")
async def channel_listing(call: Call) -> AlertChannels:
    return await call.engines.alerts.channels(call.caller)


@channels.post(
    "",
    needs="admin",
    status_code=201,
    responses=problems(409, 501),
    summary="Add a channel; the signing secret of a webhook is shown only once",
)
async def create_channel(call: Call, new: AlertChannelIn) -> NewAlertChannel:
    return await call.engines.alerts.create_channel(call.caller, new)


@channels.patch("/{channel_id}", needs="admin", responses=problems(404), summary="Change the digest of a channel")
async def change_channel(
    call: Call, channel_id: Annotated[UUID, Path(description="A channel's id")], change: AlertChannelChange
) -> AlertChannel:
    return await call.engines.alerts.change_channel(call.caller, channel_id, change)


@channels.delete("/{channel_id}", needs="admin", status_code=204, responses=problems(404), summary="Delete a channel")
async def delete_channel(call: Call, channel_id: Annotated[UUID, Path(description="A channel's id")]) -> None:
    return await call.engines.alerts.delete_channel(call.caller, channel_id)
