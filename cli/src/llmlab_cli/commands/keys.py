"""API keys of the workspace."""

from typing import Any

import click

from llmlab_cli.api import Api
from llmlab_cli.commands.options import as_json
from llmlab_cli.errors import Failure
from llmlab_cli.output import print_json, say, table, when
from llmlab_cli.settings import load


@click.group()
def keys() -> None:
    """List, create and revoke API keys. Needs the scope admin."""


@keys.command("list")
@as_json
def list_keys(as_json: bool) -> None:
    """List API keys, without their secrets."""
    with Api.of(load()) as api:
        answer = api.get("/api/keys")
    if as_json:
        print_json(answer)
        return
    table(
        ["ID", "Name", "Ends in", "Scopes", "Project", "Expires", "Last used"],
        [
            (
                key["id"],
                key["name"],
                key["last_four"],
                key["scopes"],
                key["project"],
                when(key["expires_at"]),
                when(key["last_used_at"]),
            )
            for key in answer["keys"]
        ],
    )


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["events:write", "read", "admin"]),
    help="Permission of the key; can be repeated. Default: events:write.",
)
@click.option("--project", help="Project of events that do not name one.")
@click.option("--expires", "expires_at", metavar="TIME", help="Expiry time, such as 2027-01-01T00:00:00Z.")
@as_json
def create(name: str, scopes: tuple[str, ...], project: str | None, expires_at: str | None, as_json: bool) -> None:
    """Create an API key. The key is shown only once."""
    body: dict[str, Any] = {"name": name, "project": project, "expires_at": expires_at}
    if scopes:
        body["scopes"] = list(scopes)
    with Api.of(load()) as api:
        answer = api.ask("POST", "/api/keys", json=body)
    if as_json:
        print_json(answer)
    else:
        say(answer["key"])
        say(f"Copy the key now; it is not shown again. Its ID is {answer['id']}.")


@keys.command()
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@as_json
def revoke(key: str, yes: bool, as_json: bool) -> None:
    """Revoke an API key by its ID or its last four characters."""
    with Api.of(load()) as api:
        matches = [each for each in api.get("/api/keys")["keys"] if key in (each["id"], each["last_four"])]
        if not matches:
            raise Failure(f"No API key has the ID or the last four characters {key}.")
        if len(matches) > 1:
            raise Failure(f"{len(matches)} API keys end in {key}. Use the ID.")
        (match,) = matches
        if not (yes or as_json):
            click.confirm(f"Revoke {match['name']}, which ends in {match['last_four']}?", abort=True, err=True)
        api.ask("DELETE", f"/api/keys/{match['id']}")
    if as_json:
        print_json({"revoked": match["id"]})
    else:
        say(f"Revoked {match['name']}.")
