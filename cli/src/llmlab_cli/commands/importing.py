"""Importing calls from files."""

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
from llmlab_cli.output import console, note, plural, print_json, say
from llmlab_cli.settings import Settings, load, state_folder

_PRINTED_REFUSALS = 10
_SAMPLE_EVENTS = 5


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
    help="Program that wrote the file; plain has columns named like the fields of an event.",
)
@click.option(
    "--map", "maps", multiple=True, callback=_pairs, metavar="FIELD=COLUMN", help="Column that holds a field."
)
@click.option(
    "--set", "sets", multiple=True, callback=_pairs, metavar="FIELD=VALUE", help="Value of a field for all rows."
)
@click.option("--format", "form", type=click.Choice(["csv", "jsonl", "json"]), help="Default: detected from the file.")
@click.option("--trust-costs", is_flag=True, help="Use the costs in the file instead of LLMLab's prices.")
@click.option("--input-without-cache", is_flag=True, help="input_tokens does not include cached tokens.")
@click.option("--dry-run", is_flag=True, help="Read the whole file and show the first events, but send nothing.")
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
    """Import calls from FILE.

    FILE is CSV, JSON Lines or JSON, optionally compressed with gzip.

    Each call counts once, even if you import it again. To resume a stopped import, run the same command again. Rows
    that cannot be read are skipped and listed, and the exit code is 5.

    Without --from and --map, columns must be named like the fields of an event. A column may be a path such as
    usage.input. LLMLab prices the calls; a cost in the file is used only where LLMLab has no price.
    """
    settings = load()
    reader = Reader(preset, maps, sets, trust_costs, input_without_cache)
    try:
        source = Source(file, form or format_of(file), reader)
    except (OSError, UnicodeDecodeError, Unreadable):
        raise Failure(f"Cannot read {file}.") from None
    if dry_run:
        _dry_run(source, as_json)
        return
    tally = _send(source, settings)
    if as_json:
        print_json(asdict(tally))
    else:
        _summarize(tally)
    if tally.refused:
        raise PartlyRefused(f"{plural(tally.refused, 'row')} refused.")


def _send(source: Source, settings: Settings) -> Tally:
    bars = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    read = {"rows": 0}
    checkpoint = Checkpoint.of(
        state_folder(), source.path.resolve(), settings.url, settings.api_key, source.form, source.reader
    )
    with (
        Api.of(settings) as api,
        Progress(*columns, console=bars, transient=True, disable=not bars.is_terminal) as progress,
    ):
        task = progress.add_task(source.path.name, total=source.path.stat().st_size or 1)

        def on_row(offset: int) -> None:
            read["rows"] += 1
            if read["rows"] % 500 == 0:
                progress.update(task, completed=offset)

        try:
            return Sender(api, checkpoint, note).send(source, on_row)
        except KeyboardInterrupt:
            note("Run the same command again to resume the import.")
            raise


def _dry_run(source: Source, as_json: bool) -> None:
    """Reads the whole file and prints what would be sent."""
    tally = Tally()
    samples: list[dict[str, Any]] = []
    events = 0
    for _, _, event in source.events(tally, lambda _: None):
        if event is not None:
            events += 1
            if len(samples) < _SAMPLE_EVENTS:
                samples.append(event)
    if as_json:
        counts = {"rows": tally.rows, "events": events, "skipped": tally.skipped, "refused": tally.refused}
        print_json({**counts, "refusals": tally.refusals, "first_events": samples})
        return
    for sample in samples:
        print_json(sample)
    say(
        f"Would send {plural(events, 'event')} from {plural(tally.rows, 'row')}; "
        f"skipped {plural(tally.skipped, 'row')} without a call."
    )
    _print_refusals(tally)


def _summarize(tally: Tally) -> None:
    if tally.resumed_after:
        say(f"Resumed after row {tally.resumed_after:,}.")
    say(
        f"Recorded {plural(tally.recorded, 'event')}; {plural(tally.duplicates, 'duplicate')}; "
        f"skipped {plural(tally.skipped, 'row')} without a call."
    )
    _print_refusals(tally)


def _print_refusals(tally: Tally) -> None:
    for refusal in tally.refusals[:_PRINTED_REFUSALS]:
        note(f"Row {refusal['row']:,}: {refusal['detail']}")
    if tally.refused > _PRINTED_REFUSALS:
        note(f"... and {tally.refused - _PRINTED_REFUSALS:,} more. --json lists the first 100.")
