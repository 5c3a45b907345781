"""Options shared by several commands."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

_AGO = re.compile(r"(\d{1,4})([hdw])")


def as_json(function: Function) -> Function:
    """The option --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON with every digit.")(function)


def _since(ctx: click.Context, param: click.Parameter, value: str) -> dict[str, Any]:
    """Query parameters for `7d`, `4w`, `12h`, a date or a time: `days` up to today, or `start`."""
    found = _AGO.fullmatch(value)
    if found is None:
        return {"start": _moment(value)}
    number, unit = int(found[1]), found[2]
    if number == 0:
        raise click.BadParameter("must be greater than 0")
    if unit == "h":
        return {"start": _utc(datetime.now(timezone.utc) - timedelta(hours=number))}
    return {"days": number * (7 if unit == "w" else 1)}


def _until(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    return None if value is None else _moment(value)


def _moment(value: str) -> str:
    """A date unchanged, or a time converted to UTC."""
    try:
        at = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", value))
    except ValueError:
        text = "must be 7d, 4w, 12h, a date such as 2026-03-02 or a time such as 2026-03-02T09:30Z"
        raise click.BadParameter(text) from None
    if len(value) == 10:
        return value
    return _utc(at if at.tzinfo is not None else at.replace(tzinfo=timezone.utc))


def _utc(at: datetime) -> str:
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def window(function: Function) -> Function:
    """The options --since, --until and --tz."""
    for option in (
        click.option("--tz", metavar="ZONE", help="Time zone of calendar days. Default: the configured one, or UTC."),
        click.option("--until", callback=_until, metavar="WHEN", help="Last day, or a time. Default: now."),
        click.option(
            "--since",
            callback=_since,
            default="30d",
            show_default=True,
            metavar="WHEN",
            help="Calendar days up to today (7d, 4w), hours (12h), a date or a time.",
        ),
    ):
        function = option(function)
    return function


def query_of(since: dict[str, Any], until: str | None, tz: str | None) -> dict[str, Any]:
    """The query parameters of a time range. Raises UsageError if `until` is set and `since` has no fixed start."""
    if until is not None and "start" not in since:
        raise click.UsageError("--until needs --since with a date or a time.")
    return {**since, "end": until, "tz": tz}
