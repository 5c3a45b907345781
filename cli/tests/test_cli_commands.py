"""The commands, against a running LLMLab."""

import ast
import csv
import io
import json
import re
import shlex
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest

from llmlab_cli import exact, output
from llmlab_cli.api import Api
from llmlab_cli.commands import tail
from llmlab_cli.imports.presets import PRESETS
from llmlab_cli.main import EPILOG, cli
from llmlab_cli.settings import SETTINGS
from tests.support.team import PASSWORD, call, new_email
from tests.support.workspace import Double, Workspace

Program = Callable[..., "subprocess.CompletedProcess[str]"]


def track(workspace: Workspace, *events: dict[str, Any]) -> None:
    answer = workspace.ask("POST", "/api/events/batch", {"events": list(events)})
    assert answer["recorded"] == len(events), answer


def lines(text: str) -> list[list[str]]:
    """The cells of what was printed, by line."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines() if line.strip()]


# Signing in


def test_a_key_is_kept_where_only_its_owner_can_read_it(llmlab: Program, workspace: Workspace, home: Path) -> None:
    done = llmlab("init", workspace.key, "--url", workspace.url)
    assert done.returncode == 0
    assert workspace.key not in done.stdout + done.stderr
    file = home / ".llmlab" / "config.json"
    assert json.loads(file.read_text()) == {"url": workspace.url, "api_key": workspace.key}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_xdg_is_respected(llmlab: Program, workspace: Workspace, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "xdg"))
    assert llmlab("init", "-", "--url", workspace.url, input=f"{workspace.key}\n").returncode == 0
    assert [path.name for path in home.iterdir()] == ["xdg"]
    assert stat.S_IMODE((home / "xdg" / "llmlab" / "config.json").stat().st_mode) == 0o600


def test_an_unknown_key_is_not_kept(llmlab: Program, workspace: Workspace, home: Path) -> None:
    done = llmlab("init", "llmlab_sk_unknown", "--url", workspace.url)
    assert (done.returncode, done.stdout) == (3, "")
    assert list(home.iterdir()) == []


def test_signing_up_and_logging_in_create_a_key(
    llmlab: Program, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMLAB_PASSWORD", PASSWORD)
    email = new_email()
    assert llmlab("init", "--url", workspace.url, "--signup", "--email", email).returncode == 0
    assert llmlab("budget", "5").returncode == 0
    assert llmlab("init", "--email", email, "--read-only").returncode == 0
    assert "$5" in llmlab("budget").stdout
    refused = llmlab("budget", "6")
    assert (refused.returncode, refused.stdout) == (3, "")
    monkeypatch.setenv("LLMLAB_PASSWORD", "not the password")
    done = llmlab("init", "--email", email)
    assert (done.returncode, done.stderr) == (3, "Error: Wrong e-mail address or password.\n")


def test_the_configuration_is_set_shown_and_deleted(
    llmlab: Program, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "llmlab_sk_0123456789012345678901234567"
    assert llmlab("config", "--set", "api_key", "-", input=key).returncode == 0
    assert llmlab("config", "--set", "url", "http://127.0.0.1:9/").returncode == 0
    shown = llmlab("config", "--list")
    assert key not in shown.stdout
    assert lines(shown.stdout)[1:] == [
        ["url", "http://127.0.0.1:9", "file"],
        ["api_key", "llmlab_sk_...4567", "file"],
        ["tz", "-", "default"],
    ]
    monkeypatch.setenv("LLMLAB_URL", "http://127.0.0.1:10")
    assert json.loads(llmlab("config", "--list", "--json").stdout)["url"] == {
        "value": "http://127.0.0.1:10",
        "from": "environment",
    }
    assert llmlab("config", "--get", "api_key").stdout == "llmlab_sk_...4567\n"
    assert llmlab("config", "--get", "tz").returncode == 1
    assert llmlab("config", "--set", "url", "ftp://x").returncode == 1
    assert llmlab("config", "--set", "color", "red").returncode == 2
    assert llmlab("config", "--list", "--reset").returncode == 2
    assert llmlab("config", "--reset").returncode == 0
    assert not (home / ".llmlab" / "config.json").exists()


# Costs

EVENTS = (
    call(project="search", tags={"team": "web"}),
    call(model="gpt-4o-mini"),
    call(provider="acme", model="in-house-1"),
)


def test_costs_are_those_of_the_server(llmlab: Program, signed_in: Workspace) -> None:
    # 1,000 and 500 tokens: 0.0075 USD of gpt-4o, and 1000*0.15 + 500*0.60 millionths of gpt-4o-mini.
    track(signed_in, *EVENTS)
    shown = lines(llmlab("costs", "--since", "7d").stdout)
    assert shown[0] == ["Model", "Provider", "Calls", "Tokens", "Unpriced", "Cost"]
    assert shown[1] == ["gpt-4o", "openai", "1", "1,500", "0", "$0.0075"]
    assert ["gpt-4o-mini", "openai", "1", "1,500", "0", "$0.00045"] in shown
    assert ["in-house-1", "acme", "1", "1,500", "1", "$0"] in shown
    assert shown[-2][0].startswith("$0.00795 for 3 calls from ")
    assert shown[-1] == ["Not included: 1 call without a price."]
    assert ["openai", "2", "0", "$0.00795"] in lines(llmlab("costs", "--by", "provider").stdout)
    assert ["search", "1", "1,500", "0", "$0.0075"] in lines(llmlab("costs", "--by", "project").stdout)
    assert ["-", "2", "3,000", "1", "$0.00045"] in lines(llmlab("costs", "--by", "project").stdout)
    assert ["web", "1", "1,500", "0", "$0.0075"] in lines(llmlab("costs", "--by", "tag", "--key", "team").stdout)
    answer = exact.loads(llmlab("costs", "--since", "4w", "--json").stdout)
    assert answer == signed_in.ask("GET", "/api/costs/summary?days=28")
    day = exact.loads(
        llmlab("costs", "--since", "2026-01-01", "--until", "2026-01-02", "--tz", "Europe/Berlin", "--json").stdout
    )
    assert (day["date_range_start"], day["call_count"]) == ("2025-12-31T23:00:00Z", 0)


def test_the_status_shows_costs_and_budgets(llmlab: Program, signed_in: Workspace) -> None:
    track(signed_in, *EVENTS)
    assert llmlab("budget", "0.01", "--name", "All", "--project", "search").returncode == 0
    shown = lines(llmlab("status").stdout)
    assert ["Today", "$0.00795", "3", "1"] in shown
    assert ["All", "monthly", "$0.0075", "$0.01", "75%", "ok"] in [line[:6] for line in shown]
    answer = exact.loads(llmlab("status", "--json").stdout)
    assert answer["today"]["total_cost"] == answer["last_30_days"]["total_cost"] == Decimal("0.00795")
    assert "..." in answer["api_key"]


def test_a_budget_is_set_to_the_last_digit_and_changed(llmlab: Program, signed_in: Workspace) -> None:
    assert llmlab("budget").stdout == "No budgets are set. Run llmlab budget 100 to set one of $100 a month.\n"
    first = exact.loads(llmlab("budget", "$0.10000000001", "--tag", "team=web", "--json").stdout)
    again = exact.loads(llmlab("budget", "7", "--tag", "team=web", "--hard", "--json").stdout)
    assert (first["limit"], first["scope"]) == (Decimal("0.10000000001"), {"tag": "team=web"})
    assert (again["id"], again["limit"], again["hard"]) == (first["id"], 7, True)
    assert len(exact.loads(llmlab("budget", "--json").stdout)["budgets"]) == 1
    assert llmlab("budget", "-1").returncode == llmlab("budget", "much").returncode == 2


def test_advice_is_shown_also_with_fields_of_a_newer_server(
    llmlab: Program, signed_in: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert llmlab("optimize").stdout == "No savings found in the last 30 days.\n"
    answer = {
        "model_recommendations": [
            {
                "current_model": "gpt-4o",
                "suggested_model": "gpt-4o-mini",
                "estimated_monthly_savings": Decimal("4.512"),
                "evidence": {"new": True},
            },
            {"current_model": "gpt-5", "suggested_model": "gpt-5-mini", "estimated_monthly_savings": None},
        ],
        "optimizations": [{"type": "failed_calls", "description": "3 calls failed", "cost": Decimal("0.2"), "new": []}],
        "anomalies": [],
        "new": {},
    }
    monkeypatch.setattr(Api, "get", lambda *_, **__: answer)
    shown = lines(llmlab("optimize").stdout)
    assert ["gpt-4o", "gpt-4o-mini", "$4.512"] in shown
    assert ["gpt-5", "gpt-5-mini", "-"] in shown
    assert ["failed_calls", "3 calls failed", "$0.2"] in shown
    assert exact.loads(llmlab("optimize", "--json").stdout) == answer


# Keys


def test_keys_are_made_listed_and_revoked(llmlab: Program, signed_in: Workspace) -> None:
    made = exact.loads(llmlab("keys", "create", "job", "--scope", "read", "--scope", "events:write", "--json").stdout)
    assert made["scopes"] == ["events:write", "read"] or made["scopes"] == ["read", "events:write"]
    listed = llmlab("keys", "list")
    assert made["key"] not in listed.stdout
    assert made["id"] in listed.stdout
    assert llmlab("keys", "revoke", made["id"], input="n\n").returncode == 130
    assert llmlab("keys", "revoke", made["id"], input="y\n").returncode == 0
    assert made["id"] not in llmlab("keys", "list").stdout
    done = llmlab("keys", "revoke", made["id"], "--yes")
    assert (done.returncode, done.stderr) == (
        1,
        f"Error: No API key has the ID or the last four characters {made['id']}.\n",
    )


# Calls as they arrive


def test_tail_shows_the_latest_calls_and_then_those_that_come(
    llmlab: Program, signed_in: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    track(signed_in, call(id="a", timestamp="2026-03-02T09:30:00Z"), call(id="b", timestamp="2026-03-02T09:31:00Z"))
    new = call(model="gpt-4o-mini", project="new", status="error")
    later = threading.Thread(target=track, args=(signed_in, new))
    show = tail._print

    def show_and_track(event: dict[str, Any], as_json: bool) -> None:
        show(event, as_json)
        # The latest call is shown, so the stream is open.
        if not later.ident:
            later.start()

    with monkeypatch.context() as patched:
        patched.setattr(tail, "_print", show_and_track)
        done = llmlab("tail", "-n", "1", "--limit", "2")
    later.join()
    shown = lines(done.stdout)
    assert shown[0] == ["2026-03-02 09:31:00", "openai/gpt-4o", "1,000 in", "500 out", "$0.0075"]
    assert shown[1][1:] == ["openai/gpt-4o-mini", "1,000 in", "500 out", "$0.00045", "new", "error"]
    printed = [exact.loads(line) for line in llmlab("tail", "-n", "2", "--limit", "2", "--json").stdout.splitlines()]
    assert [event["cost"] for event in printed] == [Decimal("0.0075"), Decimal("0.00045")]


# Exports


def test_exports_come_as_the_server_makes_them(llmlab: Program, signed_in: Workspace, tmp_path: Path) -> None:
    track(signed_in, *EVENTS)
    (row,) = csv.DictReader(io.StringIO(llmlab("export", "events", "--model", "gpt-4o").stdout))
    assert (row["model"], row["cost"]) == ("gpt-4o", "0.0075")
    printed = [exact.loads(line) for line in llmlab("export", "costs", "--since", "1d", "--json").stdout.splitlines()]
    assert sorted(row["model"] for row in printed) == ["gpt-4o", "gpt-4o-mini", "in-house-1"]
    target = tmp_path / "focus.csv"
    done = llmlab("export", "focus", "-o", target, "--json")
    assert json.loads(done.stdout) == {"file": str(target), "format": "csv", "bytes": target.stat().st_size}
    assert "EffectiveCost" in target.read_text()
    assert llmlab("export", "costs", "--model", "gpt-4o").returncode == 2
    assert llmlab("export", "events", "--since", "7d").returncode == 2
    assert llmlab("export", "events", "-o", tmp_path / "no" / "folder").returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["focus.csv"]


def test_a_package_that_the_server_lacks_is_an_error_with_its_command(
    llmlab: Program, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "Parquet requires pyarrow, which is not installed on this server. Run ./run.sh extras parquet."
    problem = json.dumps({"title": "Not Implemented", "status": 501, "detail": message}).encode()
    server = Double("/api/export/costs")
    server.answers = [(501, {"Content-Type": "application/problem+json"}, problem)]
    monkeypatch.setenv("LLMLAB_URL", server.url)
    monkeypatch.setenv("LLMLAB_API_KEY", "llmlab_sk_unknown")
    try:
        done = llmlab("export", "costs", "--format", "parquet", "-o", home / "costs.parquet")
    finally:
        server.stop()
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"Error: {message}\n")
    assert not [path for path in home.iterdir() if path.name.startswith("costs")]


# Errors, colours and completion


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["costs"],
        ["budget"],
        ["optimize"],
        ["tail"],
        ["export", "events"],
        ["keys", "list"],
        ["keys", "create", "x"],
        ["keys", "revoke", "x"],
        ["import", __file__, "--format", "csv"],
    ],
    ids=" ".join,
)
def test_without_a_key_or_a_server_a_sentence_says_so(
    arguments: list[str], llmlab: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = llmlab(*arguments)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "Error: No API key is set. Run llmlab init, or set LLMLAB_API_KEY.\n"
    monkeypatch.setenv("LLMLAB_API_KEY", "llmlab_sk_unknown")
    monkeypatch.setenv("LLMLAB_URL", "http://127.0.0.1:9")
    if arguments[0] != "import":
        done = llmlab(*arguments, "--json")
        error = {"error": "Cannot connect to LLMLab at http://127.0.0.1:9. Is it running?", "exit_code": 4}
        assert (done.returncode, done.stdout, json.loads(done.stderr)) == (4, "", error)


def test_what_llmlab_refuses_is_said_in_its_words(llmlab: Program, signed_in: Workspace) -> None:
    done = llmlab("costs", "--tz", "Mars/Olympus")
    assert done.returncode == 1
    assert re.fullmatch(r"Error: [A-Z].*\.\n", done.stderr)


def test_names_do_not_control_the_terminal(llmlab: Program, signed_in: Workspace) -> None:
    track(signed_in, call(model="[red]\x9b31m\u202ex"))
    assert "[red]?31m?x" in llmlab("costs").stdout


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def printed() -> str:
        monkeypatch.setattr("sys.stdout", screen := Terminal())
        output.say("bad", style="red")
        return screen.getvalue()

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31m" in printed()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in printed()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_it(shell: str, llmlab: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "_LLMLAB_COMPLETE" in llmlab("completion", shell).stdout
    monkeypatch.setenv("_LLMLAB_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", "llmlab co" if shell != "fish" else "llmlab")
    monkeypatch.setenv("COMP_CWORD", "1" if shell != "fish" else "co")
    done = llmlab()
    assert done.returncode == 0
    assert {"completion", "config", "costs"} <= set(re.findall(r"co\w+", done.stdout))


def test_json_has_every_digit() -> None:
    text = '{"a": [0.10, 12345678901234567890.123456789012, 1, null, true], "b": {}, "c": "\\u00e9\\""}'
    assert exact.dumps(exact.loads(text)) == text
    assert exact.loads(exact.dumps(exact.loads(text), indent=2)) == exact.loads(text)
    assert exact.dumps(Decimal("1E-7")) == "0.0000001"


# Documentation

CLI = Path(__file__).parent.parent
README = (CLI / "README.md").read_text()


def first_cells(pattern: str) -> list[str]:
    return re.findall(rf"^\| `{pattern}` \|", README, re.MULTILINE)


def test_the_readme_lists_commands_exit_codes_presets_and_settings() -> None:
    assert sorted(first_cells(r"llmlab (\w+)")) == sorted(cli.commands)
    codes = re.findall(r"^\| `(\d+)` \| (.+) \|$", README, re.MULTILINE)
    assert codes == re.findall(r"^  (\d+) +(.+)$", EPILOG, re.MULTILINE)
    presets = README[README.index("| `--from` | file |") :].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", presets, re.MULTILINE) == list(PRESETS)
    variables = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", README, re.MULTILINE)
    assert dict(variables) == {name: variable for name, (variable, _) in SETTINGS.items()}
    for target in re.findall(r"\]\(([^)#]+)", README):
        assert (CLI / target).exists(), target


@pytest.mark.parametrize("path", [CLI / "README.md", CLI.parent / "README.md"], ids=["of the tool", "of LLMLab"])
def test_the_commands_in_the_readme_exist(path: Path) -> None:
    text = path.read_text().replace("\\\n", " ")
    given = re.findall(r"^llmlab (.+)$", text, re.MULTILINE) + re.findall(r"`llmlab ([\w -]+)`", text)
    assert given
    for words in given:
        name, *arguments = shlex.split(words)
        command = cli.commands[name]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in arguments if word.startswith("--")} <= known, words


def test_every_command_has_json() -> None:
    def all_of(group: click.Group) -> Iterator[click.Command]:
        for command in group.commands.values():
            if isinstance(command, click.Group):
                yield from all_of(command)
            else:
                yield command

    assert all("--json" in {name for parameter in command.params for name in parameter.opts} for command in all_of(cli))


@pytest.mark.parametrize("path", sorted((CLI / "src").glob("**/*.py")), ids=lambda path: path.stem)
def test_it_needs_python_3_10_and_the_named_packages(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 10))
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    needs = {"click", "httpx", "llmlab", "llmlab_cli", "rich"}
    assert {name.split(".")[0] for name in names} <= needs | sys.stdlib_module_names
