"""Following calls as they arrive."""

import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import click
import httpx

from llmlab_cli import exact
from llmlab_cli.api import Api
from llmlab_cli.commands.options import as_json
from llmlab_cli.errors import Unavailable
from llmlab_cli.output import cell, console, note, usd, when
from llmlab_cli.settings import load

_PAGE = 100
# Most pages read for one change.
_PAGES = 10
# Event ids kept to recognize calls that were already printed.
_KEPT_IDS = 20_000
# Read timeout in seconds. The server sends a heartbeat at least every 15 seconds.
_READ_TIMEOUT = 45.0
_MAX_BACKOFF = 30.0


@click.command()
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(0, _PAGE),
    default=10,
    show_default=True,
    help="Number of recent calls to show first.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Stop after this number of calls.")
@click.option("--provider", help="Only this provider's calls.")
@click.option("--model", help="Only calls of this model.")
@click.option("--project", help="Only this project's calls.")
@click.option("--status", type=click.Choice(["success", "error", "timeout"]), help="Only calls with this status.")
@click.option("--tag", metavar="KEY:VALUE", help="Only calls with this tag.")
@as_json
def tail(lines: int, limit: int | None, as_json: bool, **filters: str | None) -> None:
    """Show calls as they arrive, until Ctrl-C. With --json, one call per line.

    A call that arrives late, with a timestamp older than the latest 1,000 calls, is not shown.
    """
    settings = load()
    shown = 0
    with Api.of(settings) as api:
        for event in _events(api, lines, filters):
            _print(event, as_json)
            shown += 1
            if shown == limit:
                return


def _events(api: Api, lines: int, filters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The latest events, then new ones as they arrive, each once."""
    seen: OrderedDict[str, None] = OrderedDict()
    started = False
    for kind, what in _changes(api):
        if not started:
            # Read the latest events after the stream is open, so that none is missed in between.
            latest = api.get("/api/events", limit=_PAGE, **filters)["events"]
            found, started = latest[:lines], True
            seen.update((event["event_id"], None) for event in latest)
        elif kind == "hello" or "events" in what:
            found = _new(api, seen, filters)
        else:
            continue
        yield from reversed(found)
        while len(seen) > _KEPT_IDS:
            seen.popitem(last=False)


def _new(api: Api, seen: "OrderedDict[str, None]", filters: dict[str, Any]) -> list[dict[str, Any]]:
    """Events not yet shown, newest first. Reads pages until one has no new events."""
    found: list[dict[str, Any]] = []
    cursor = None
    for _ in range(_PAGES):
        page = api.get("/api/events", limit=_PAGE, cursor=cursor, **filters)
        new = [event for event in page["events"] if event["event_id"] not in seen]
        seen.update((event["event_id"], None) for event in new)
        found += new
        cursor = page["next_cursor"]
        if not new or cursor is None:
            break
    return found


def _changes(api: Api) -> Iterator[tuple[str, list[str]]]:
    """Messages of the live stream, without end. Reconnects from the last message when the stream ends or fails."""
    last: str | None = None
    pause = 0.0
    while True:
        try:
            headers = {} if last is None else {"Last-Event-ID": last}
            timeout = httpx.Timeout(30.0, read=_READ_TIMEOUT)
            api.client.timeout = timeout
            with api.stream("/api/stream", headers=headers) as response:
                for kind, what, id in _messages(response):
                    last, pause = id, 0.0
                    yield kind, what
        except Unavailable as error:
            if last is None:
                raise
            pause = min(max(1.0, pause * 2), _MAX_BACKOFF)
            note(f"{error.format_message()} Retrying in {pause:.0f} s.")
        time.sleep(pause)


def _messages(response: httpx.Response) -> Iterator[tuple[str, list[str], str]]:
    """Parses server-sent events. Yields the kind, the names of what has changed, and the id of each message."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield fields.get("event", "message"), exact.loads(fields["data"])["what"], fields.get("id", "")
            fields = {}
        else:
            fields = {}


def _print(event: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(exact.dumps(event))
        return
    status = event["status"]
    columns = [
        when(event["timestamp"]),
        f"{cell(event['provider'])}/{cell(event['model'])}",
        f"{event['input_tokens']:,} in",
        f"{event['output_tokens']:,} out",
        usd(event["cost"]),
        *([cell(event["project"])] if event["project"] is not None else []),
        *([status] if status != "success" else []),
    ]
    console().print("  ".join(columns), style="red" if status != "success" else None)
