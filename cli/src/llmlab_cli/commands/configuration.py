"""The configuration file."""

import sys

import click

from llmlab_cli.commands.options import as_json
from llmlab_cli.errors import Failure
from llmlab_cli.output import print_json, say, table
from llmlab_cli.settings import SETTINGS, config_file, load, masked, store, stored


@click.command()
@click.option("--set", "setting", nargs=2, metavar="NAME VALUE", help="Set url, api_key or tz; - reads the value.")
@click.option("--get", "name", metavar="NAME", help="Show what holds for one; secrets are masked.")
@click.option("--list", "list_all", is_flag=True, help="Show what holds and where it comes from; secrets are masked.")
@click.option("--reset", is_flag=True, help="Delete the file.")
@as_json
def config(setting: tuple[str, str] | None, name: str | None, list_all: bool, reset: bool, as_json: bool) -> None:
    """Settings of this program: url, api_key and tz. The environment goes before the file."""
    if sum((setting is not None, name is not None, list_all, reset)) != 1:
        raise click.UsageError("Say one of --set, --get, --list and --reset.")
    if reset:
        config_file().unlink(missing_ok=True)
        _tell(as_json, {"reset": str(config_file())}, f"{config_file()} is deleted.")
    elif setting is not None:
        named, value = _known(setting[0]), setting[1]
        if value == "-":
            value = sys.stdin.readline().strip()
        store({**stored(), named: SETTINGS[named][1](value)})
        _tell(as_json, {named: masked(named, value)}, f"{named} is {masked(named, value)}")
    else:
        shown = _shown()
        if name is not None:
            held = shown[_known(name)][0]
            if held is None:
                raise Failure(f"{name} is not set.")
            _tell(as_json, {name: held}, held)
        elif as_json:
            print_json({named: {"value": value, "from": origin} for named, (value, origin) in shown.items()})
        else:
            table(["Setting", "Value", "From"], [(named, *told) for named, told in shown.items()])


def _known(name: str) -> str:
    if name not in SETTINGS:
        raise click.UsageError(f"There is no setting {name!r}; there are {', '.join(SETTINGS)}.")
    return name


def _shown() -> dict[str, tuple[str | None, str]]:
    """The settings as they may be shown, and where each comes from."""
    held = load()
    found = {}
    for name in SETTINGS:
        value = getattr(held, name)
        found[name] = (None if value is None else masked(name, value), held.origin.get(name, "default"))
    return found


def _tell(as_json: bool, told: dict[str, str], text: str) -> None:
    if as_json:
        print_json(told)
    else:
        say(text)
