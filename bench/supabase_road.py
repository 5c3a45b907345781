"""Ingestion over Supabase's REST interface, compared with a direct connection to Postgres."""

from bench import data
from bench.load import closed_loop, request
from bench.plan import Bench
from bench.report import Figure, Row, ratio
from bench.server import lab
from tests.support.supabase_project import SECRET_KEY
from tests.support.supabase_server import SupabaseServer, postgrest

_BATCH = 500
_CONNECTIONS = 4
_MEASURED = f"POST /api/events/batch of {_BATCH} over Supabase's REST interface"
_AGAINST = "direct connection"


async def compare(bench: Bench) -> None:
    """Sends the same batches over both roads to the same Postgres."""
    if postgrest() is None:
        excuse = "not measured: run ./run.sh test once"
        bench.report.rows.append(Row(_MEASURED, against=_AGAINST, excuse=excuse))
        return
    bodies = data.batches(max(8, bench.sizes.batches // 2), _BATCH)
    with lab() as place:
        # The REST server reads the schema when it starts.
        await (await place.connect()).close()
        rest = SupabaseServer(place.folder / "rest", place.url)
        settings = {"SUPABASE_URL": rest.url, "SUPABASE_KEY": SECRET_KEY, "SECRET_KEY": "bench" * 8}
        try:
            with place.product(**settings) as through_rest, place.product() as direct:
                rates: list[list[float]] = [[], []]
                sent = []
                for server, name in ((through_rest, "rest"), (direct, "direct")):
                    account = await server.sign_up(name)
                    requests = [request("POST", "/api/events/batch", token=account.token, body=b) for b in bodies]
                    await closed_loop(server.port, requests, connections=_CONNECTIONS, count=8)
                    sent.append((server, requests))
                for turn in bench.turns("batches over both roads"):
                    for (server, requests), found in zip(sent, rates, strict=True):
                        outcome = await closed_loop(
                            server.port, requests, connections=_CONNECTIONS, count=len(requests)
                        )
                        found.append(outcome.per_second * _BATCH)
                    bench.show(turn, f"{rates[0][-1]:,.0f} events/s, direct {rates[1][-1]:,.0f}")
        finally:
            rest.stop()
    bench.report.rows.append(ratio(_MEASURED, Figure.of(rates[0]), "events/s", _AGAINST, Figure.of(rates[1])))
