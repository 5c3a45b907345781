"""Who is asking, and whether LLMLab is there: init and status."""

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
@click.option("--url", help="Where LLMLab is. Default: the one that is set, else http://127.0.0.1:8000.")
@click.option("--signup", is_flag=True, help="Make a new account instead of logging in.")
@click.option("--email", help="Asked for if left out.")
@click.option("--password", envvar="LLMLAB_PASSWORD", help="Better left out: it is asked for, or LLMLAB_PASSWORD.")
@click.option("--name", help="Your name, for --signup. Default: what stands before the @.")
@click.option("--read-only", is_flag=True, help="Make an API key that may look and change nothing.")
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
    """Set up this program: keep an API key for it.

    With API_KEY that key is kept; - reads it from standard input. Without, you log in (or sign up), and a key is made
    for this machine. The password is not kept.
    """
    given = load()
    where = SETTINGS["url"][1](url) if url is not None else given.url
    if api_key == "-":
        api_key = sys.stdin.readline().strip()
    if api_key is None:
        email = email or click.prompt("E-mail", err=as_json)
        password = password or click.prompt("Password", hide_input=True, confirmation_prompt=signup, err=as_json)
        api_key = _new_key(where, signup, {"email": email, "password": password, "name": name}, read_only)
    api_key = SETTINGS["api_key"][1](api_key)
    with Api(where, api_key) as api:
        api.get("/api/settings/policy")
    store({**stored(), "url": where, "api_key": api_key})
    if as_json:
        print_json({"url": where, "api_key": masked("api_key", api_key), "config": str(config_file())})
    else:
        say(f"Ready. {config_file()} holds the key {masked('api_key', api_key)} for {where}.")
        for variable in (SETTINGS[setting][0] for setting, kind in given.origin.items() if kind == "environment"):
            say(f"{variable} is set in the environment and goes before it.")


def _new_key(url: str, signup: bool, account: dict[str, Any], read_only: bool) -> str:
    """An API key for this machine, made by somebody who signs up or logs in, and then out again."""
    if signup:
        account["name"] = account["name"] or account["email"].split("@")[0]
    else:
        del account["name"]
    with Api(url, None) as api:
        try:
            session = api.ask("POST", f"/api/auth/{'signup' if signup else 'login'}", json=account)
        except NotAllowed:
            raise NotAllowed("The e-mail address or the password is not right.") from None
    with Api(url, session["access_token"]) as api:
        scope = "read" if read_only else "admin"
        made = api.ask("POST", "/api/keys", json={"name": f"llmlab on {platform.node()}"[:128], "scopes": [scope]})
        api.ask("POST", "/api/auth/logout")
    return str(made["key"])


@click.command()
@as_json
def status(as_json: bool) -> None:
    """Whether LLMLab is there, what today and the last 30 days cost, and how the budgets stand."""
    settings = load()
    with Api.of(settings) as api:
        health = api.get("/api/health")
        today = api.get("/api/costs/summary", days=1, tz=settings.tz)
        month = api.get("/api/costs/summary", days=30, tz=settings.tz)
        budgets = api.get("/api/budgets")
    if settings.api_key is None:
        raise Failure("There is no API key.")
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
    say(f"LLMLab {health['version']} at {settings.url}, with the key {masked('api_key', settings.api_key)}")
    say("")
    table(
        ["", "Cost", "Calls", "Unpriced"],
        [
            (label, usd(found["total_cost"]), found["call_count"], found["unpriced_calls"])
            for label, found in (("Today", today), ("Last 30 days", month))
        ],
        right=["Cost", "Calls", "Unpriced"],
    )
    if budgets["budgets"]:
        say("")
        print_budgets(budgets["budgets"])


def print_budgets(budgets: list[dict[str, Any]]) -> None:
    """Prints budgets as they stand."""
    table(
        ["Budget", "Period", "Spent", "Limit", "Used", "Status", "Until"],
        [
            (
                budget["name"],
                budget["period"],
                usd(budget["current_spend"]),
                usd(budget["limit"]),
                f"{budget['percentage_used']} %",
                budget["status"],
                when(budget["period_end"]),
            )
            for budget in budgets
        ],
        right=["Spent", "Limit", "Used"],
    )
