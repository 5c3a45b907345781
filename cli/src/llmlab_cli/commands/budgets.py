"""Showing and setting budgets."""

from decimal import Decimal, InvalidOperation
from typing import Any

import click

from llmlab_cli.api import Api
from llmlab_cli.commands.account import print_budgets
from llmlab_cli.commands.options import as_json
from llmlab_cli.output import print_json, say
from llmlab_cli.settings import load


def _usd(ctx: click.Context, param: click.Parameter, value: str | None) -> Decimal | None:
    """An amount in USD with every digit as typed."""
    if value is None:
        return None
    try:
        amount = Decimal(value.removeprefix("$"))
    except InvalidOperation:
        raise click.BadParameter(f"{value!r} is not an amount in USD") from None
    if not amount.is_finite() or amount <= 0:
        raise click.BadParameter("must be greater than 0")
    return amount


@click.command()
@click.argument("amount", callback=_usd, required=False)
@click.option(
    "--period",
    type=click.Choice(["daily", "weekly", "monthly", "quarterly", "yearly"]),
    default="monthly",
    show_default=True,
)
@click.option("--name", help="Name of the budget.")
@click.option("--project", help="Count only this project.")
@click.option("--provider", help="Count only this provider.")
@click.option("--model", help="Count only this model; * is a wildcard.")
@click.option("--tag", metavar="KEY=VALUE", help="Count only calls with this tag.")
@click.option("--hard", is_flag=True, help="Refuse reservations above the limit.")
@as_json
def budget(amount: Decimal | None, period: str, name: str | None, hard: bool, as_json: bool, **scope: Any) -> None:
    """Show budgets; with AMOUNT in USD, set one.

    There is one budget per period and scope. Setting it again changes it.
    """
    settings = load()
    with Api.of(settings) as api:
        if amount is None:
            answer = api.get("/api/budgets")
            if as_json:
                print_json(answer)
            elif answer["budgets"]:
                print_budgets(answer["budgets"])
            else:
                say("No budgets are set. Run llmlab budget 100 to set one of $100 a month.")
            return
        body = {
            # A string keeps every digit.
            "limit": f"{amount:f}",
            "period": period,
            "hard": hard,
            "scope": {part: value for part, value in scope.items() if value is not None},
            **({} if name is None else {"name": name}),
            **({} if settings.tz is None else {"tz": settings.tz}),
        }
        answer = api.ask("POST", "/api/budgets", json=body)
    if as_json:
        print_json(answer)
    else:
        print_budgets([answer])
