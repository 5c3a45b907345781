"""Exporting events and costs to files."""

import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

import click

from llmlab_cli.api import Api
from llmlab_cli.commands.options import as_json, query_of, window
from llmlab_cli.errors import Failure
from llmlab_cli.output import note, print_json
from llmlab_cli.settings import load


@click.command()
@click.argument("what", type=click.Choice(["events", "costs", "focus"]))
@click.option("--format", "form", type=click.Choice(["csv", "jsonl", "parquet"]), help="Default: csv.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Output file. Default: standard output."
)
@window
@click.option("--provider", help="Only this provider's events.")
@click.option("--model", help="Only events of this model.")
@click.option("--project", help="Only this project's events.")
@click.option("--status", type=click.Choice(["success", "error", "timeout"]), help="Only events with this status.")
@click.option("--tag", metavar="KEY:VALUE", help="Only events with this tag.")
@as_json
@click.pass_context
def export(
    ctx: click.Context,
    /,
    what: str,
    form: str | None,
    output: Path | None,
    since: dict[str, Any],
    until: str | None,
    tz: str | None,
    as_json: bool,
    **filters: str | None,
) -> None:
    """Export events, daily costs or FOCUS 1.4 charges.

    Without --since, all events are exported. --json means --format jsonl on standard output; with a file it prints the
    file's name, format and size.
    """
    if what != "events" and any(filters.values()):
        raise click.UsageError("Filters apply to events only.")
    settings = load()
    form = form or ("jsonl" if as_json and output is None else "csv")
    of_events = what == "events"
    query = _times(ctx, since, until) | filters if of_events else query_of(since, until, tz or settings.tz)
    if output is None and form == "parquet" and sys.stdout.isatty():
        raise click.UsageError("Parquet cannot be shown on a terminal. Name a file with --output.")
    with Api.of(settings) as api:
        if output is None:
            _copy(api, what, {**query, "format": form}, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        size = _save(api, what, {**query, "format": form}, output)
    if as_json:
        print_json({"file": str(output), "format": form, "bytes": size})
    else:
        note(f"Wrote {size:,} bytes to {output}.")


def _times(ctx: click.Context, since: dict[str, Any], until: str | None) -> dict[str, Any]:
    """The range as timestamps: events are not grouped by calendar day."""
    given = ctx.get_parameter_source("since") is click.core.ParameterSource.COMMANDLINE
    start = since.get("start") if given else None
    if given and start is None:
        raise click.UsageError("For events, --since takes hours, a date or a time, such as 24h or 2026-03-02.")
    return {"start": _instant(start), "end": _instant(until)}


def _instant(day: str | None) -> str | None:
    return f"{day}T00:00:00Z" if day is not None and len(day) == 10 else day


def _copy(api: Api, what: str, query: dict[str, Any], target: BinaryIO) -> int:
    size = 0
    with api.stream(f"/api/export/{what}", **query) as response:
        for piece in response.iter_bytes():
            target.write(piece)
            size += len(piece)
    return size


def _save(api: Api, what: str, query: dict[str, Any], path: Path) -> int:
    """Writes to a temporary file first, so that a failed export leaves no partial file. Returns the size in bytes."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            size = _copy(api, what, query, file)
        part.replace(path)
    except OSError as error:
        raise Failure(f"Cannot write {path}: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)
    return size
