"""What this is, whether it works, and how busy it is."""

from fastapi import Response

from routes.call import Call
from routes.exact import json_response
from routes.router import Router
from routes.schema import problems
from schemas.server import About, Health

server = Router("", "server")


@server.get(
    "/",
    needs="nothing",
    summary="What this is and where the docs are",
    description="Where the dashboard is served, this is its page instead.",
    responses={200: {"content": {"text/html": {}}}},
)
async def about(call: Call) -> About:
    return await call.engines.server.about()


@server.get(
    "/health",
    needs="nothing",
    summary="Whether the server and its database work",
    response_model=Health,
    responses={503: {"model": Health}},
)
@server.get(
    "/api/health",
    needs="nothing",
    summary="Whether the server and its database work",
    response_model=Health,
    responses={503: {"model": Health}},
)
async def health(call: Call) -> Response:
    state = await call.engines.server.health()
    return json_response(state, 200 if state.database_connected else 503)


@server.get(
    "/metrics/prometheus",
    needs="nothing",
    summary="What the server counts about itself",
    description="In the text format of Prometheus. For whoever sends the `METRICS_TOKEN` of the server; if it has none,"
    " for programs on the same machine. For everybody else there is nothing at this path.",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "The text format of Prometheus"}, **problems(404)},
)
async def prometheus(call: Call) -> Response:
    text, kind = await call.engines.server.metrics(call.token, local=call.is_local)
    return Response(text, media_type=kind)
