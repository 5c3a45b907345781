"""Calls out of files."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from llmlab_cli.api import Api
from llmlab_cli.commands.options import as_json
from llmlab_cli.errors import Failure, PartlyRefused
from llmlab_cli.imports.events import Reader, is_field
from llmlab_cli.imports.files import Format, Unreadable, format_of
from llmlab_cli.imports.presets import FIELDS, PRESETS
from llmlab_cli.imports.sending import Checkpoint, Sender, Source, Tally
from llmlab_cli.output import console, note, print_json, say
from llmlab_cli.settings import Settings, load, state_folder

_SHOWN = 10
_SAMPLES = 5


def _pairs(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not value or not is_field(name):
            fields = ", ".join(FIELDS)
            raise click.BadParameter(f"{text!r} is not FIELD=...; fields are {fields}, tag.KEY and metadata.KEY")
        found[name] = value
    return found


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option(
    "--from",
    "preset",
    type=click.Choice(list(PRESETS)),
    default="plain",
    show_default=True,
    help="Whose export it is; plain has columns called as the fields of an event are.",
)
@click.option("--map", "maps", multiple=True, callback=_pairs, metavar="FIELD=COLUMN", help="Where a field stands.")
@click.option("--set", "sets", multiple=True, callback=_pairs, metavar="FIELD=VALUE", help="A field for all rows.")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl", "json"]), help="Default: told from the file.")
@click.option("--trust-costs", is_flag=True, help="Take the costs in the file instead of LLMLab's prices.")
@click.option("--input-without-cache", is_flag=True, help="input_tokens leaves the cached part of the prompt out.")
@click.option("--dry-run", is_flag=True, help="Read everything, show the first events, send nothing.")
@as_json
def import_file(
    file: Path,
    preset: str,
    maps: dict[str, str],
    sets: dict[str, str],
    form: Format | None,
    trust_costs: bool,
    input_without_cache: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import the calls in FILE: CSV, JSON lines or JSON, packed with gzip or not.

    Each call counts once, however often it is imported and however an import was stopped: run the same command again to
    go on. Rows that cannot be read are named and left out; the exit code is 5 then.

    Without --from and --map, columns must be called as the fields of an event are. A column may be a path such as
    usage.input. LLMLab prices the calls; a cost in the file stands only where LLMLab knows no price.
    """
    settings = load()
    reader = Reader(preset, maps, sets, trust_costs, input_without_cache)
    try:
        source = Source(file, form or format_of(file), reader)
    except (OSError, UnicodeDecodeError, Unreadable):
        raise Failure(f"{file} cannot be read.") from None
    if dry_run:
        _rehearse(source, as_json)
        return
    tally = _send(source, settings)
    if as_json:
        print_json(asdict(tally))
    else:
        _summarize(tally)
    if tally.refused:
        raise PartlyRefused(f"{tally.refused:,} were refused.")


def _send(source: Source, settings: Settings) -> Tally:
    bars = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    place = {"rows": 0}
    checkpoint = Checkpoint.of(
        state_folder(), source.path.resolve(), settings.url, settings.api_key, source.form, source.reader
    )
    with (
        Api.of(settings) as api,
        Progress(*columns, console=bars, transient=True, disable=not bars.is_terminal) as progress,
    ):
        task = progress.add_task(source.path.name, total=source.path.stat().st_size or 1)

        def moved(to: int) -> None:
            place["rows"] += 1
            if place["rows"] % 500 == 0:
                progress.update(task, completed=to)

        try:
            return Sender(api, checkpoint, note).send(source, moved)
        except KeyboardInterrupt:
            note("Run the same command again to go on from here.")
            raise


def _rehearse(source: Source, as_json: bool) -> None:
    """Reads all, sends nothing."""
    tally = Tally()
    samples: list[dict[str, Any]] = []
    events = 0
    for _, _, event in source.events(tally, lambda _: None):
        if event is not None:
            events += 1
            if len(samples) < _SAMPLES:
                samples.append(event)
    if as_json:
        told = {"rows": tally.rows, "events": events, "skipped": tally.skipped, "refused": tally.refused}
        print_json({**told, "refusals": tally.refusals, "first_events": samples})
        return
    for sample in samples:
        print_json(sample)
    say(f"{events:,} events of {tally.rows:,} rows would be sent; {tally.skipped:,} rows hold no call.")
    _name_refusals(tally)


def _summarize(tally: Tally) -> None:
    if tally.resumed_after:
        say(f"Went on after row {tally.resumed_after:,}.")
    say(f"{tally.recorded:,} recorded, {tally.duplicates:,} were there before, {tally.skipped:,} rows hold no call.")
    _name_refusals(tally)


def _name_refusals(tally: Tally) -> None:
    for refusal in tally.refusals[:_SHOWN]:
        note(f"Row {refusal['row']:,}: {refusal['detail']}")
    if tally.refused > _SHOWN:
        note(f"... and {tally.refused - _SHOWN:,} more. --json names the first hundred.")
