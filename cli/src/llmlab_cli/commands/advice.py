"""Ways to lower costs."""

import click

from llmlab_cli.api import Api
from llmlab_cli.commands.options import as_json
from llmlab_cli.output import plural, print_json, say, table, usd
from llmlab_cli.settings import load


@click.command()
@click.option(
    "--days", type=click.IntRange(1, 365), default=30, show_default=True, help="Number of calendar days to analyze."
)
@as_json
def optimize(days: int, as_json: bool) -> None:
    """Show cheaper models, waste and anomalies."""
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
            ["Model", "Suggestion", "Monthly savings"],
            [
                (
                    row.get("current_model"),
                    row.get("suggested_model"),
                    _usd(row.get("estimated_monthly_savings")),
                )
                for row in switches
            ],
            right=["Monthly savings"],
        )
        say("Test a smaller model on your own prompts before you switch.")
        say("")
    if waste:
        say("Waste", style="bold")
        table(
            ["Type", "Description", "Cost"],
            [(row.get("type"), row.get("description"), _usd(row.get("cost"))) for row in waste],
            right=["Cost"],
        )
        say("")
    if anomalies:
        say("Anomalies", style="bold")
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
        say(f"No savings found in the last {plural(days, 'day')}.")


def _usd(amount: object) -> str:
    return "-" if amount is None else usd(amount)
