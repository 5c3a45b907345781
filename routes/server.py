"""What this is, and whether it works."""

from fastapi import Response

from models import About, Health
from routes.exact import Call, json_response, public_router

server = public_router("", "server")


@server.get("/", summary="What this is and where the docs are")
async def about(call: Call) -> About:
    return await call.server.about()


@server.get(
    "/health",
    summary="Whether the server and its database work",
    response_model=Health,
    responses={503: {"model": Health}},
)
@server.get(
    "/api/health",
    summary="Whether the server and its database work",
    response_model=Health,
    responses={503: {"model": Health}},
)
async def health(call: Call) -> Response:
    state = await call.server.health()
    return json_response(state, 200 if state.database_connected else 503)
