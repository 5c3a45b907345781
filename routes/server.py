"""The server: health, metrics and links."""

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
    summary="Name, version and links",
    description="If the dashboard is served, this path returns its page instead.",
    responses={200: {"content": {"text/html": {}}}},
)
async def about(call: Call) -> About:
    return await call.engines.server.about()


@server.get(
    "/health",
    needs="nothing",
    summary="Health of the server and its database",
    response_model=Health,
    responses={503: {"model": Health}},
)
@server.get(
    "/api/health",
    needs="nothing",
    summary="Health of the server and its database",
    response_model=Health,
    responses={503: {"model": Health}},
)
async def health(call: Call) -> Response:
    state = await call.engines.server.health()
    return json_response(state, 200 if state.database_connected else 503)


@server.get(
    "/metrics/prometheus",
    needs="nothing",
    summary="Metrics of the server for Prometheus",
    description="In the text format of Prometheus. Requires the `METRICS_TOKEN` of the server as bearer token; if none "
    "is set, only programs on the same machine have access. All others receive status 404.",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {}}, "description": "Metrics in the text format of Prometheus"},
        **problems(404),
    },
)
async def prometheus(call: Call) -> Response:
    text, kind = await call.engines.server.metrics(call.token, local=call.is_local)
    return Response(text, media_type=kind)
