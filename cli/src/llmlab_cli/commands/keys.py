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
    """API keys: list, create and revoke them. This needs the scope admin."""


@keys.command("list")
@as_json
def list_keys(as_json: bool) -> None:
    """The keys, without their secrets."""
    with Api.of(load()) as api:
        answer = api.get("/api/keys")
    if as_json:
        print_json(answer)
        return
    table(
        ["Id", "Name", "Ends in", "Scopes", "Project", "Expires", "Last used"],
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
    help="What it may do; may be given more than once. Default: events:write.",
)
@click.option("--project", help="The project of events that name none.")
@click.option("--expires", "expires_at", metavar="TIME", help="When it stops working, such as 2027-01-01T00:00:00Z.")
@as_json
def create(name: str, scopes: tuple[str, ...], project: str | None, expires_at: str | None, as_json: bool) -> None:
    """Create a key. It is shown this once."""
    wanted: dict[str, Any] = {"name": name, "project": project, "expires_at": expires_at}
    if scopes:
        wanted["scopes"] = list(scopes)
    with Api.of(load()) as api:
        answer = api.ask("POST", "/api/keys", json=wanted)
    if as_json:
        print_json(answer)
    else:
        say(answer["key"])
        say(f"This is the only time it is shown. Its id is {answer['id']}.")


@keys.command()
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def revoke(key: str, yes: bool, as_json: bool) -> None:
    """Revoke the KEY with this id, or with these last four characters."""
    with Api.of(load()) as api:
        found = [known for known in api.get("/api/keys")["keys"] if key in (known["id"], known["last_four"])]
        if len(found) != 1:
            raise Failure(f"{len(found) or 'No'} keys have the id or the end {key}.")
        (known,) = found
        if not (yes or as_json):
            click.confirm(f"Revoke {known['name']}, which ends in {known['last_four']}?", abort=True, err=True)
        api.ask("DELETE", f"/api/keys/{known['id']}")
    if as_json:
        print_json({"revoked": known["id"]})
    else:
        say(f"Revoked {known['name']}.")
