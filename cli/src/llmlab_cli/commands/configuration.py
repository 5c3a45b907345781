"""The configuration file."""

import sys

import click

from llmlab_cli.commands.options import as_json
from llmlab_cli.errors import Failure
from llmlab_cli.output import print_json, say, table
from llmlab_cli.settings import SETTINGS, config_file, load, masked, store, stored


@click.command()
@click.option(
    "--set",
    "setting",
    nargs=2,
    metavar="NAME VALUE",
    help="Set url, api_key or tz; - reads the value from standard input.",
)
@click.option("--get", "name", metavar="NAME", help="Show the effective value of a setting; secrets are masked.")
@click.option("--list", "list_all", is_flag=True, help="Show all settings and their sources; secrets are masked.")
@click.option("--reset", is_flag=True, help="Delete the configuration file.")
@as_json
def config(setting: tuple[str, str] | None, name: str | None, list_all: bool, reset: bool, as_json: bool) -> None:
    """Show or change the settings url, api_key and tz. Environment variables override the file."""
    if sum((setting is not None, name is not None, list_all, reset)) != 1:
        raise click.UsageError("Use exactly one of --set, --get, --list and --reset.")
    if reset:
        config_file().unlink(missing_ok=True)
        _print(as_json, {"reset": str(config_file())}, f"Deleted {config_file()}.")
    elif setting is not None:
        key, value = _checked_name(setting[0]), setting[1]
        if value == "-":
            value = sys.stdin.readline().strip()
        store({**stored(), key: SETTINGS[key][1](value)})
        _print(as_json, {key: masked(key, value)}, f"{key} is set to {masked(key, value)}.")
    else:
        settings = _masked_settings()
        if name is not None:
            current = settings[_checked_name(name)][0]
            if current is None:
                raise Failure(f"{name} is not set.")
            _print(as_json, {name: current}, current)
        elif as_json:
            print_json({key: {"value": value, "from": origin} for key, (value, origin) in settings.items()})
        else:
            table(["Setting", "Value", "Source"], [(key, *columns) for key, columns in settings.items()])


def _checked_name(name: str) -> str:
    if name not in SETTINGS:
        raise click.UsageError(f"Unknown setting {name!r}. The settings are {', '.join(SETTINGS)}.")
    return name


def _masked_settings() -> dict[str, tuple[str | None, str]]:
    """For each setting its effective value, secrets masked, and its source."""
    settings = load()
    found = {}
    for name in SETTINGS:
        value = getattr(settings, name)
        found[name] = (None if value is None else masked(name, value), settings.origin.get(name, "default"))
    return found


def _print(as_json: bool, answer: dict[str, str], text: str) -> None:
    if as_json:
        print_json(answer)
    else:
        say(text)
