"""No SQL function that is called for one workspace returns, changes or depends on anything of another.

Three workspaces are in the database:

    Alpha   rows named "alpha-..."   calls every function
    Bravo   rows named "bravo-..."   and a copy of every row of Alpha, with the same ids
    Third                            a copy of every row of Alpha, with other ids and the same names

Every function is called for Alpha: with the values of Alpha, with those of Bravo, and with each one of Bravo's alone.
A function that does not restrict its rows to the workspace then finds the copies of Bravo or Third, by id or by name.
`tests/support/ledger.py` makes the rows and the calls.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from tests.support.ledger import NOW, SPANNING, Ledger, ways

# A hash is unique in all workspaces, because it alone identifies one; so a hash in use is refused.
HASHES = {"api_keys_key_hash_key", "invitations_token_hash_key"}
# What identifies the owner of a row: the names of Bravo, and every id and hash.
SIGNS = re.compile(r"bravo[\w.@-]*|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[0-9a-f]{64}\b")


def signs(texts: Iterable[object]) -> set[str]:
    """The parts of these texts that identify an owner."""
    return {sign for text in texts for sign in SIGNS.findall(str(text).lower())}


@dataclass
class Outcome:
    """The outcome of a call: the refusal, or the answer and the rows of Alpha and of the others after it."""

    refusal: str | None
    answer: list[str]
    ours: list[str]
    others: list[str]


async def outcome(ledger: Ledger, function: str, given: dict[str, Any]) -> Outcome:
    """Calls a function, and rolls back its changes."""
    transaction = ledger.sql.transaction()
    await transaction.start()
    try:
        rows = await ledger.ask(function, given)
        ours, others = await ledger.rows()
        return Outcome(None, [str(tuple(row)) for row in rows], ours, others)
    except asyncpg.UniqueViolationError as error:
        assert error.constraint_name in HASHES, f"{function}({given}): {error}"
        return Outcome(error.constraint_name, [], [], [])
    except asyncpg.PostgresError as error:
        assert error.sqlstate in ("PT403", "PT404", "PT409"), f"{function}({given}): {error}"
        return Outcome(str(error), [], [], [])
    finally:
        await transaction.rollback()


async def test_every_function_is_called_or_listed_as_spanning_workspaces(ledger: Ledger) -> None:
    functions = await ledger.functions()
    about_one = functions.keys() - SPANNING
    assert functions.keys() >= SPANNING
    assert {call.function for call in await ledger.calls()} == about_one
    for function in about_one:
        assert "p_workspace_id" in functions[function], function
    for function, each in ways(ledger.alpha).items():
        assert function in about_one
        for way in each:
            assert way.keys() <= {*functions[function]}, function


async def test_no_function_returns_or_changes_data_of_another_workspace(ledger: Ledger) -> None:
    ours, others = await ledger.rows()
    foreign = signs(others) - signs(ours)
    for function, given, must_be_accepted in await ledger.calls():
        done = await outcome(ledger, function, given)
        said = f"{function}({given})"
        assert not (must_be_accepted and done.refusal), f"{said} is refused: {done.refusal}"
        leaked = (signs([*done.answer, *done.ours, done.refusal]) & foreign) - signs(given.values())
        assert not leaked, f"{said} shows {leaked}"
        assert done.refusal or done.others == others, f"{said} changes what is not its own"


async def test_no_result_depends_on_other_workspaces(ledger: Ledger) -> None:
    calls = await ledger.calls()
    beside = [await outcome(ledger, function, given) for function, given, _ in calls]
    ours, _ = await ledger.rows()
    await ledger.sql.execute("delete from public.workspaces where id <> $1", ledger.alpha.workspace_id)
    await ledger.sql.execute("delete from public.users where id = any ($1)", [ledger.bravo.admin, ledger.bravo.viewer])
    for (function, given, _), with_it in zip(calls, beside, strict=True):
        without = await outcome(ledger, function, given)
        if with_it.refusal not in HASHES:
            known = signs([*ours, *given.values()])
            assert seen(with_it, known) == seen(without, known), f"{function}({given})"


async def test_limits_do_not_count_the_rows_of_other_workspaces(ledger: Ledger) -> None:
    for table, most in {
        "api_keys": 1_000,
        "invitations": 1_000,
        "prices": 1_000,
        "projects": 10_000,
        "provider_keys": 100,
    }.items():
        await ledger.sql.execute(
            f"insert into public.{table} select (jsonb_populate_record(null::public.{table}, row || jsonb_build_object("
            "  'workspace_id', $1::uuid, 'id', gen_random_uuid(), 'key_hash', gen_random_uuid(),"
            "  'token_hash', gen_random_uuid(), 'key', n::text, 'name', n::text, 'project_id', null))).*"
            f" from (select to_jsonb(t) as row from public.{table} t where workspace_id = $2 limit 1) one,"
            " generate_series(1, $3) n",
            ledger.bravo.workspace_id,
            ledger.alpha.workspace_id,
            most,
        )
    for function, given, must_be_accepted in await ledger.calls():
        if must_be_accepted and function.endswith("_create"):
            await ledger.ask(function, given)


def seen(done: Outcome, known: set[str]) -> tuple[str | None, list[str], list[str]]:
    """What Alpha can observe; new ids are replaced by one word."""

    def plain(texts: list[str]) -> list[str]:
        return sorted(SIGNS.sub(lambda sign: sign[0] if sign[0] in known else "new", text) for text in texts)

    return done.refusal, plain(done.answer), plain(done.ours)


async def test_knowing_the_id_of_a_workspace_gives_no_access(ledger: Ledger) -> None:
    it = ledger.bravo
    before = await ledger.rows()
    await ledger.functions()
    mine = {"p_workspace_id": ledger.alpha.workspace_id, "p_user_id": it.admin, "p_now": NOW}
    session = {"p_session_id": it.session}
    for function, given in {
        "account_of_session": {**session, "p_workspace_id": ledger.alpha.workspace_id, "p_now": NOW},
        "session_use": {**session, "p_workspace_id": ledger.alpha.workspace_id, "p_now": NOW},
        "user_update": {**mine, **session, "p_name": "x", "p_password_hash": "x"},
        "workspace_create": {**mine, "p_name": "x"},
        "create_workspace": {**mine, "p_name": "x"},
    }.items():
        with pytest.raises(asyncpg.PostgresError) as refused:
            await ledger.ask(function, given)
        assert refused.value.sqlstate in ("PT404", asyncpg.UniqueViolationError.sqlstate), function
        assert await ledger.rows() == before, function
