"""What could cost less."""

import click

from llmlab_cli.api import Api
from llmlab_cli.commands.options import as_json
from llmlab_cli.output import print_json, say, table, usd
from llmlab_cli.settings import load


@click.command()
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True, help="Calendar days to look at.")
@as_json
def optimize(days: int, as_json: bool) -> None:
    """Cheaper models for what was really used, money that need not have been spent, and days that stand out."""
    settings = load()
    with Api.of(settings) as api:
        answer = api.get("/api/recommendations", days=days, tz=settings.tz)
    if as_json:
        print_json(answer)
        return
    switches, waste, anomalies = (
        answer.get(name) or [] for name in ("model_recommendations", "optimizations", "anomalies")
    )
    if switches:
        say("Cheaper models", style="bold")
        table(
            ["Model", "Suggestion", "Saving a month"],
            [
                (
                    row.get("current_model"),
                    row.get("suggested_model"),
                    _usd(row.get("estimated_monthly_savings")),
                )
                for row in switches
            ],
            right=["Saving a month"],
        )
        say("Whether a smaller model is good enough, only a test on your own prompts tells.")
        say("")
    if waste:
        say("Money that need not have been spent", style="bold")
        table(
            ["Kind", "What", "USD"],
            [(row.get("type"), row.get("description"), _usd(row.get("cost"))) for row in waste],
            right=["USD"],
        )
        say("")
    if anomalies:
        say("Days that stand out", style="bold")
        table(
            ["Date", "Model", "Cost", "Expected", "Severity"],
            [
                (
                    row.get("date"),
                    row.get("model"),
                    _usd(row.get("cost")),
                    _usd(row.get("expected_cost")),
                    row.get("severity"),
                )
                for row in anomalies
            ],
            right=["Cost", "Expected"],
        )
        say("")
    if not (switches or waste or anomalies):
        say(f"Nothing in the calls of {days} days says that something could cost less.")


def _usd(amount: object) -> str:
    return "-" if amount is None else usd(amount)
