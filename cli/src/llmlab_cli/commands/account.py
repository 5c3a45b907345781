"""Signing in and checking the connection: init and status."""

import platform
import sys
from typing import Any

import click

from llmlab_cli.api import Api
from llmlab_cli.commands.options import as_json
from llmlab_cli.errors import Failure, NotAllowed
from llmlab_cli.output import print_json, say, table, usd, when
from llmlab_cli.settings import SETTINGS, config_file, load, masked, store, stored


@click.command()
@click.argument("api_key", required=False)
@click.option("--url", help="URL of LLMLab. Default: the configured one, or http://127.0.0.1:8000.")
@click.option("--signup", is_flag=True, help="Create an account instead of logging in.")
@click.option("--email", help="Prompted for if omitted.")
@click.option("--password", envvar="LLMLAB_PASSWORD", help="Prefer the prompt or LLMLAB_PASSWORD.")
@click.option("--name", help="Your name, for --signup. Default: the e-mail address up to the @.")
@click.option("--read-only", is_flag=True, help="Create a read-only API key.")
@as_json
def init(
    api_key: str | None,
    url: str | None,
    signup: bool,
    email: str | None,
    password: str | None,
    name: str | None,
    read_only: bool,
    as_json: bool,
) -> None:
    """Set up the command line by storing an API key.

    With API_KEY, that key is stored; - reads it from standard input. Without API_KEY, you log in (or sign up) and a
    key is created for this machine. The password is not stored.
    """
    current = load()
    server = SETTINGS["url"][1](url) if url is not None else current.url
    if api_key == "-":
        api_key = sys.stdin.readline().strip()
    if api_key is None:
        email = email or click.prompt("E-mail", err=as_json)
        password = password or click.prompt("Password", hide_input=True, confirmation_prompt=signup, err=as_json)
        api_key = _new_key(server, signup, {"email": email, "password": password, "name": name}, read_only)
    api_key = SETTINGS["api_key"][1](api_key)
    with Api(server, api_key) as api:
        api.get("/api/settings/policy")
    store({**stored(), "url": server, "api_key": api_key})
    if as_json:
        print_json({"url": server, "api_key": masked("api_key", api_key), "config": str(config_file())})
    else:
        say(f"Saved the API key {masked('api_key', api_key)} for {server} in {config_file()}.")
        for variable in (SETTINGS[setting][0] for setting, kind in current.origin.items() if kind == "environment"):
            say(f"The environment variable {variable} is set and overrides the file.")


def _new_key(url: str, signup: bool, account: dict[str, Any], read_only: bool) -> str:
    """Signs up or logs in, creates an API key for this machine, and logs out."""
    if signup:
        account["name"] = account["name"] or account["email"].split("@")[0]
    else:
        del account["name"]
    with Api(url, None) as api:
        try:
            session = api.ask("POST", f"/api/auth/{'signup' if signup else 'login'}", json=account)
        except NotAllowed:
            raise NotAllowed("Wrong e-mail address or password.") from None
    with Api(url, session["access_token"]) as api:
        scope = "read" if read_only else "admin"
        created = api.ask("POST", "/api/keys", json={"name": f"llmlab on {platform.node()}"[:128], "scopes": [scope]})
        api.ask("POST", "/api/auth/logout")
    return str(created["key"])


@click.command()
@as_json
def status(as_json: bool) -> None:
    """Show the connection, recent costs and budgets."""
    settings = load()
    with Api.of(settings) as api:
        health = api.get("/api/health")
        today = api.get("/api/costs/summary", days=1, tz=settings.tz)
        month = api.get("/api/costs/summary", days=30, tz=settings.tz)
        budgets = api.get("/api/budgets")
    if settings.api_key is None:
        raise Failure("No API key is set.")
    if as_json:
        key = masked("api_key", settings.api_key)
        print_json(
            {
                "url": settings.url,
                "api_key": key,
                "health": health,
                "today": today,
                "last_30_days": month,
                "budgets": budgets,
            }
        )
        return
    say(f"LLMLab {health['version']} at {settings.url}, API key {masked('api_key', settings.api_key)}")
    say("")
    table(
        ["", "Cost", "Calls", "Unpriced"],
        [
            (label, usd(summary["total_cost"]), summary["call_count"], summary["unpriced_calls"])
            for label, summary in (("Today", today), ("Last 30 days", month))
        ],
        right=["Cost", "Calls", "Unpriced"],
    )
    if budgets["budgets"]:
        say("")
        print_budgets(budgets["budgets"])


def print_budgets(budgets: list[dict[str, Any]]) -> None:
    """Prints budgets with what is spent in the current period."""
    table(
        ["Budget", "Period", "Spent", "Limit", "Used", "Status", "Resets"],
        [
            (
                budget["name"],
                budget["period"],
                usd(budget["current_spend"]),
                usd(budget["limit"]),
                f"{budget['percentage_used']}%",
                budget["status"],
                when(budget["period_end"]),
            )
            for budget in budgets
        ],
        right=["Spent", "Limit", "Used"],
    )
