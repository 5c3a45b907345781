"""Costs by model, provider, project or tag."""

from typing import Any

import click

from llmlab_cli.api import Api
from llmlab_cli.commands.options import as_json, query_of, window
from llmlab_cli.output import plural, print_json, say, table, usd
from llmlab_cli.settings import load

# For each dimension: the path, the list in its answer, and the column headings with their fields.
_BY: dict[str, tuple[str, str, dict[str, str]]] = {
    "model": (
        "/api/costs/summary",
        "by_model",
        {
            "Model": "model",
            "Provider": "provider",
            "Calls": "total_calls",
            "Tokens": "total_tokens",
            "Unpriced": "unpriced_calls",
            "Cost": "total_cost",
        },
    ),
    "provider": (
        "/api/costs/by-provider",
        "provider_costs",
        {"Provider": "provider", "Calls": "call_count", "Unpriced": "unpriced_calls", "Cost": "total_cost"},
    ),
    "project": (
        "/api/costs/by-project",
        "project_costs",
        {
            "Project": "project",
            "Calls": "call_count",
            "Tokens": "total_tokens",
            "Unpriced": "unpriced_calls",
            "Cost": "total_cost",
        },
    ),
    "tag": (
        "/api/costs/by-tag",
        "tag_costs",
        {
            "Value": "value",
            "Calls": "call_count",
            "Tokens": "total_tokens",
            "Unpriced": "unpriced_calls",
            "Cost": "total_cost",
        },
    ),
}


@click.command()
@click.option("--by", type=click.Choice(list(_BY)), default="model", show_default=True)
@click.option("--key", help="Tag key, for --by tag.")
@window
@as_json
def costs(by: str, key: str | None, since: dict[str, Any], until: str | None, tz: str | None, as_json: bool) -> None:
    """Show costs by model, provider, project or the values of a tag."""
    if (by == "tag") != (key is not None):
        raise click.UsageError("Use --key with --by tag, and only there, as in --by tag --key team.")
    settings = load()
    path, name, columns = _BY[by]
    query = query_of(since, until, tz or settings.tz)
    with Api.of(settings) as api:
        answer = api.get(path, **query, key=key)
        if as_json:
            print_json(answer)
            return
        total = answer if by == "model" else api.get("/api/costs/summary", **query)
    rows = answer[name]
    if rows:
        table(
            list(columns),
            [[usd(row[field]) if field == "total_cost" else row[field] for field in columns.values()] for row in rows],
            right=["Calls", "Tokens", "Unpriced", "Cost"],
        )
        say("")
    start, end = total["date_range_start"], total["date_range_end"]
    say(f"{usd(total['total_cost'])} for {plural(total['call_count'], 'call')} from {start} to {end}")
    if unpriced := total["unpriced_calls"]:
        say(f"Not included: {plural(unpriced, 'call')} without a price.")
