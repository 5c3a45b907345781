"""A database with the rows of two workspaces, and every call of an SQL function about one of them.

The arguments of a call come from the names of the parameters in pg_proc: `usual` has a value for each name, and `ways`
says where a function needs another value, or is called in several ways. A new function is thus called without any
entry here, provided that its parameters have known names.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import md5
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import httpx

from tests.support.otlp import CHAT, request_of, span
from tests.support.team import call, create, join, new_api_key, new_email, sign_up
from utils.json import dumps

NOW = datetime.now(UTC) + timedelta(hours=1)
LATER = NOW + timedelta(days=1)
# The end is not midnight, so that the last day is incomplete.
START, END = NOW - timedelta(days=20), NOW

# The functions that are not about one workspace, by reason.
SPANNING_BY_REASON = {
    "sessions and accounts are valid in all workspaces of a user": """
        account_of_session session_use session_start session_refresh session_end session_list sessions_end
        credentials user_update user_delete workspace_list
    """,
    "the workspace is created by the call": "signup workspace_create create_workspace",
    "only the token or the key identifies the workspace": "invitation_accept api_key_use",
    "a server works for all workspaces": """
        workspace_ids spans_delete watch_claim delivery_claim retention_due changes_note changes_of outbox_pending
    """,
    "no table is read": "schema_version time_limits",
}
SPANNING = frozenset(" ".join(SPANNING_BY_REASON.values()).split())

RATES = ("input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning", "request")


@dataclass
class Side:
    """The ids and names of the rows of a workspace. The `new_` ones do not exist in Alpha, but they do in Bravo."""

    word: str
    name: str
    workspace_id: UUID
    admin: UUID
    viewer: UUID
    viewer_email: str
    session: UUID
    invitation: UUID
    invited: str
    project: UUID
    key: UUID
    provider_key: UUID
    price: UUID
    budget: UUID
    reservation: UUID
    alert: UUID
    channel: UUID
    period: str
    event: UUID
    feedback: UUID
    audit_line: UUID
    ciphertext: str = ""
    channel_ciphertext: str = ""
    unread_kind: UUID = field(default_factory=uuid4)
    new_id: UUID = field(default_factory=uuid4)
    new_name: str = "new"
    new_key_hash: str = "new"
    new_token_hash: str = "new"

    @property
    def provider(self) -> str:
        return f"{self.word}-provider"

    @property
    def model(self) -> str:
        return f"{self.word}-model"

    @property
    def project_name(self) -> str:
        return f"{self.word}-project"

    @property
    def tag(self) -> str:
        return f"{self.word}-tag"

    @property
    def trace(self) -> str:
        return trace_of(self.word)

    @property
    def span(self) -> str:
        """The inner one of two calls."""
        return f"{self.trace}:{2:016x}"


def usual(it: Side) -> dict[str, Any]:
    """The argument for each name of a parameter."""
    tags = f'{{"{it.tag}": "{it.tag}"}}'
    values = {
        # Who acts. A key appears by its name in the audit log, but only if it belongs to the workspace.
        "actor_id": it.key, "user_id": it.viewer, "email": it.invited, "role": "viewer",
        # When
        "now": NOW, "created_at": NOW, "start": START, "end": END, "since": START, "tz": "UTC",
        "before_start": START - timedelta(days=20), "before_end": START, "after_start": START, "after_end": END,
        "expires_at": LATER, "retry_at": LATER, "starts_at": NOW, "ends_at": NOW, "starts_on": None, "days": 30,
        # Rows
        "alert_id": it.alert, "alert_ids": [it.alert], "budget_id": it.budget, "channel_id": it.channel,
        "event_id": it.event, "event_ids": [it.event], "invitation_id": it.invitation, "key_id": it.key,
        "price_id": it.price, "project_id": it.project, "reservation_id": it.reservation,
        "feedback_id": it.new_id, "delivery_id": it.new_id, "recorded": [it.event],
        "taken": f'{{"{it.reservation}": 1}}', "added": None, "removed": None, "corrected_at": NOW,
        "known": "[]", "repeated": "[]",
        # Names, and what is stored under them
        "name": it.new_name, "names": [it.new_name], "target": it.name, "kind": "webhook", "digest": "daily",
        "key_hash": it.new_key_hash, "token_hash": it.new_token_hash, "last_four": "abcd", "scopes": ["read"],
        "before": it.ciphertext, "after": "sealed", "ciphertext": "sealed",
        "action": "said", "details": "{}", "archived": True, "rating": 3, "comment": "so so", "attempt": 1,
        "error": "refused", "anomalies": "[]", "known_version": None,
        # Calls
        "provider": it.provider, "model": it.model, "model_like": it.model, "project": it.project_name,
        "project_key": it.project_name, "key": it.tag, "tag_key": it.tag, "tag_value": it.tag, "tag": tags,
        "tags": tags, "api_key_id": it.key, "status": "success", "policy_violation": "model_disabled",
        # Amounts and limits
        "limit": 100, "amount": Decimal(1), "pricing": "list", "percent_of_list": None, "period": it.period,
        "hard": True, "thresholds": [Decimal("0.000001")], "alone": True, "calls": 2,
        **dict.fromkeys(RATES, Decimal(1)),
        # Pages
        "before_at": NOW, "before_timestamp": NOW, "before_id": it.event, "search": it.model,
        "after_date": START.date(), "after_bucket": START, "after_project": it.project_name,
        "after_provider": it.provider, "after_model": it.model,
    }  # fmt: skip
    return {f"p_{name}": value for name, value in values.items()}


def ways(it: Side) -> dict[str, list[dict[str, Any]]]:
    """The arguments that differ from the usual ones, for each way to call a function; the first way must succeed."""
    call_filters = dict.fromkeys(("provider", "model", "project"))
    event_filters: dict[str, Any] = call_filters | dict.fromkeys(("status", "tag", "policy_violation"))
    event_filters |= dict.fromkeys(("start", "end", "before_timestamp", "before_id"))
    page = dict.fromkeys(("before_at", "before_id"))
    series = {"step": "day", "limit": 10, "by": None, "key": None, **call_filters}
    event = {
        "timestamp": NOW, "user_id": it.viewer, "api_key_id": it.key, "reservation_id": it.reservation,
        "latency_ms": 12.5, "input_tokens": 1, "cache_read_tokens": 2, "cache_write_5m_tokens": 3,
        "cache_write_1h_tokens": 4, "output_tokens": 5, "reasoning_tokens": 0, "cost": Decimal("0.5"),
        "pricing": "caller", "provider": it.provider, "model": it.model, "project": it.project_name,
        "status": "success", "tags": {it.tag: it.tag}, "policy_violations": ["token_limit"], "unchecked": True,
    }  # fmt: skip
    wanted: dict[str, list[dict[str, Any]]] = {
        "audit_list": [page, {"before_id": it.audit_line}],
        # Members
        "workspace_delete": [{"name": it.name}],
        "require_one_admin": [{}, {"user_id": it.admin}],
        "member_set_role": [{"role": "admin"}, {}, {"user_id": it.admin}],
        "member_remove": [{}, {"user_id": it.admin}],
        "invitation_create": [{"invitation_id": it.new_id}, {"invitation_id": it.new_id, "email": it.viewer_email}],
        # Projects
        "project_key": [{"name": it.project_name}, {"name": str(it.project)}],
        "project_create": [{}, {"names": [it.project_name]}],
        "project_list": [{"project_id": None, "after": None}, {"archived": False, "after": None}],
        "project_update": [{"name": it.project_name}],
        # Keys and prices
        "api_key_create": [{"key_id": it.new_id, "expires_at": None}],
        "api_key_list": [{"key_id": None}, {}],
        "provider_key_create": [{"key_id": it.new_id, "name": it.new_name}],
        "provider_key_delete": [{"key_id": it.provider_key}],
        "provider_key_reencrypt": [{"key_id": it.provider_key}],
        "price_create": [{"price_id": it.new_id, "ends_at": None}],
        "price_list": [{"price_id": None}, {}],
        # Settings
        "settings_set": [
            {"changes": '{"retention_days": 7}'},
            {"changes": f'{{"disabled_models": ["{it.model}"]}}'},
        ],
        # Budgets and alerts
        "budget_set": [{"budget_id": it.new_id, "limit": Decimal(7), "days": None}],
        "budget_list": [{"budget_id": None}, {}],
        "reserve": [{"reservation_id": it.new_id, "amount": Decimal(amount)} for amount in (1, 1000)],
        "alert_list": [page, {"before_id": it.alert}],
        "alert_test": [{"alert_id": it.new_id}],
        "channel_create": [{"channel_id": it.new_id, "target": "https://example.com"}],
        "channel_reencrypt": [{"before": it.channel_ciphertext}],
        "refusals_note": [
            {"refusals": dumps([{"hour": NOW, "caller_id": it.key, "limit": "guard_requests", "requests": 1}]).decode()}
        ],
        "unread_spans_note": [
            {"counts": dumps([{"id": id, "scope": f"{it.word}-scope", "spans": 2, "example": []}]).decode()}
            for id in (it.unread_kind, it.new_id)
        ],
        # Events, and their costs
        "settle_reservations": [{"events": dumps([{**event, "id": it.event}]).decode()}],
        "record_events": [{"events": dumps([{**event, "id": id}]).decode()} for id in (it.new_id, it.event)],
        "correct_events": [
            {"corrections": dumps([{"id": it.event, "event": {**event, "id": it.event}}]).decode()},
            {"corrections": dumps([{"id": it.event}]).decode()},
        ],
        "record_spans": [
            # A call beneath those of the workspace, which is answered with them; and one without others.
            {"events": "[]", "spans": dumps([{"id": it.trace + ":3", "parent_id": it.span, "call": {}}]).decode()},
            {
                "events": dumps([{**event, "id": it.new_id}]).decode(),
                "spans": dumps([{"id": it.trace + ":4", "call": {}}]).decode(),
                "repeated": dumps([{"id": it.event, "span_id": it.span}]).decode(),
            },
        ],
        "event_list": [event_filters, {}],
        "export_events": [event_filters, {}],
        "export_costs": [dict.fromkeys(("after_date", "after_project", "after_provider", "after_model")), {}],
        "export_spend": [dict.fromkeys(("after_bucket", "after_project", "after_provider", "after_model")), {}],
        "cost_tag_keys": [{"limit": 10}],
        "cost_timeseries": [
            series,
            {**series, "by": "model", "project": it.project_name},
            {**series, "by": "project", "provider": it.provider, "model": it.model},
            {**series, "by": "tag", "key": it.tag},
        ],
        "cost_compare": [
            {},
            {"before_start": START, "before_end": END, "limit": 0},
        ],
        **{f"metrics_{name}": [call_filters, {}] for name in ("summary", "daily", "latency", "quality")},
        "metric_cells": [call_filters, {}],
        "feedback_list": [
            {**page, "event_id": None, "search": None, "rating": None},
            {"rating": 5, "before_id": it.feedback},
        ],
        "spend_cells": [{"whole_days": True}, {"whole_days": False}],
        "spend_series": [{"hours_from": START}, {"hours_from": END, "limit": 0}],
        "model_usage": [{"samples": 1}, {"samples": 500}],
        # Deletes expired events; without any, decides where to continue.
        "retention_sweep": [{"after": None}, {"after": NOW}],
    }
    return {
        function: [{f"p_{name}": value for name, value in way.items()} for way in each]
        for function, each in wanted.items()
    }


def mixtures(own: dict[str, Any], foreign: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Our own values; theirs; and for each parameter that makes a difference, only that one theirs."""
    different = [name for name in own if own[name] != foreign[name]]
    yield own
    if different:
        yield own | {name: foreign[name] for name in different}
    if len(different) > 1:
        for name in different:
            yield own | {name: foreign[name]}


class Call(NamedTuple):
    """A call of a function for Alpha."""

    function: str
    arguments: dict[str, Any]
    must_succeed: bool


class Ledger:
    """A database with both workspaces."""

    def __init__(self, sql: "asyncpg.Connection[asyncpg.Record]", alpha: Side, bravo: Side) -> None:
        self.sql = sql
        self.alpha = alpha
        self.bravo = bravo
        # The schema of each function.
        self.schemas: dict[str, str] = {}

    async def functions(self) -> dict[str, list[str]]:
        """The names of the parameters of each public function, and of each private one about a workspace."""
        found = await self.sql.fetch(
            "select p.proname, p.pronamespace::regnamespace::text as schema,"
            " array(select unnest(p.proargnames[1:p.pronargs])) as parameters from pg_proc p"
            " where p.pronamespace in ('public'::regnamespace, 'llmlab_private'::regnamespace)"
            " and (p.pronamespace = 'public'::regnamespace or 'p_workspace_id' = any (p.proargnames))"
        )
        assert len({row["proname"] for row in found}) == len(found), "two functions have the same name"
        self.schemas = {row["proname"]: row["schema"] for row in found}
        return {row["proname"]: list(row["parameters"]) for row in found}

    async def calls(self) -> list[Call]:
        """Every call to make for Alpha."""
        return list(calls_for(self.alpha, self.bravo, await self.functions()))

    async def ask(self, function: str, given: dict[str, Any]) -> "list[asyncpg.Record]":
        """The answer of a function."""
        parameters = ", ".join(f"{name} => ${number}" for number, name in enumerate(given, 1))
        return await self.sql.fetch(f"select * from {self.schemas[function]}.{function}({parameters})", *given.values())

    async def rows(self) -> tuple[list[str], list[str]]:
        """The rows of Alpha, and all others."""
        tables = await self.sql.fetch(
            "select t.tablename, c.attname from pg_tables t left join pg_attribute c"
            " on c.attrelid = format('public.%I', t.tablename)::regclass"
            " and c.attname = case t.tablename when 'workspaces' then 'id' else 'workspace_id' end"
            " where t.schemaname = 'public'"
        )
        found = await self.sql.fetch(
            " union all ".join(
                f"select '{table} ' || to_jsonb(t)::text as row, {f'{column} = $1' if column else 'false'} as ours"
                f" from public.{table} t"
                for table, column in tables
            ),
            self.alpha.workspace_id,
        )
        return [row["row"] for row in found if row["ours"]], sorted(row["row"] for row in found if not row["ours"])


def calls_for(alpha: Side, bravo: Side, functions: dict[str, list[str]]) -> Iterator[Call]:
    """The calls for Alpha of functions with these parameters."""
    ours, theirs = ways(alpha), ways(bravo)
    for function, parameters in sorted(functions.items()):
        if function in SPANNING:
            continue
        for way, (own, foreign) in enumerate(zip(ours.get(function, [{}]), theirs.get(function, [{}]), strict=True)):
            own, foreign = usual(alpha) | own, usual(bravo) | foreign
            unknown = {*parameters} - own.keys() - {"p_workspace_id"}
            assert not unknown, f"{function} has parameters without a value in `usual`: {unknown}"
            own = {name: own[name] for name in parameters if name != "p_workspace_id"}
            for number, given in enumerate(mixtures(own, foreign)):
                yield Call(function, {"p_workspace_id": alpha.workspace_id, **given}, way == number == 0)


async def furnish(client: httpx.AsyncClient, word: str, period: str, days: int) -> Side:
    """A new workspace with rows in every table, all of whose names begin with `word`; the oldest event is that old."""
    admin, viewer = await sign_up(client, f"{word}-team"), await sign_up(client, f"{word}-viewer")
    await join(admin, viewer)
    invitation = await create(admin, "/api/workspaces/invitations", email=new_email(f"{word}-invited"))
    project = await create(admin, "/api/projects", name=f"{word}-project")
    key = await new_api_key(admin, name=f"{word}-key", project=project["name"])
    of_model = {"provider": f"{word}-provider", "model": f"{word}-model"}
    provider_key = await create(
        admin, "/api/provider-keys", provider=of_model["provider"], name=f"{word}-sealed", key="sk-0123456789"
    )
    price = await create(admin, "/api/prices", **of_model, input=1, output=2, ends_at=str(LATER))
    budget = await create(admin, "/api/budgets", name=f"{word}-budget", limit=100, period=period, hard=True)
    reservation = await create(
        admin, "/api/budgets/reservations", **of_model, input_tokens=1, max_output_tokens=1, seconds=86_400
    )
    event = call(
        **of_model,
        project=project["name"],
        tags={f"{word}-tag": f"{word}-tag"},
        metadata={"word": f"{word}-metadata"},
    )
    tracked = await create(admin, "/api/events/track", **event)
    await admin.batch(
        event | {"timestamp": str(NOW - timedelta(days=3)), "cost": 0.7, "latency_ms": 3},
        event | {"timestamp": str(NOW - timedelta(days=days)), "status": "error", "error_message": f"{word}-error"},
    )
    chat = CHAT | {"gen_ai.provider.name": of_model["provider"], "gen_ai.response.model": of_model["model"]}
    spans = [{**span(1, chat), "traceId": trace_of(word)}, {**span(2, chat, parent=1), "traceId": trace_of(word)}]
    traces = await admin.request("POST", "/v1/traces", json=request_of(*spans, llmlab__project=project["name"]))
    assert traces.json() == {}, traces.text
    settings = await admin.request("PUT", "/api/settings", json={"disabled_models": [f"{word}-disabled"]})
    assert settings.status_code == 200, settings.text
    feedback = await create(admin, "/api/feedback", event_id=tracked["event_id"], rating=5, comment=f"{word}-comment")
    channel = await create(
        admin, "/api/alert-channels", name=f"{word}-channel", kind="webhook", url="https://hooks.example.com/x"
    )
    await admin.track(provider=of_model["provider"], model=f"{word}-unpriced", unchecked=True)
    alert = (await admin.get("/api/alerts"))["alerts"][0]
    audit = await admin.get("/api/audit")
    session = await admin.get("/api/auth/sessions")
    return Side(
        word=word,
        name=admin.session["user"]["name"],
        workspace_id=UUID(admin.session["workspace_id"]),
        admin=UUID(admin.session["user_id"]),
        viewer=UUID(viewer.session["user_id"]),
        viewer_email=viewer.email,
        session=UUID(session["sessions"][0]["id"]),
        invitation=UUID(invitation["id"]),
        invited=invitation["email"],
        project=UUID(project["id"]),
        key=UUID(key.id),
        provider_key=UUID(provider_key["id"]),
        price=UUID(price["id"]),
        budget=UUID(budget["id"]),
        reservation=UUID(reservation["id"]),
        alert=UUID(alert["id"]),
        channel=UUID(channel["id"]),
        period=period,
        event=UUID(tracked["event_id"]),
        feedback=UUID(feedback["id"]),
        audit_line=UUID(audit["entries"][0]["id"]),
    )


def trace_of(word: str) -> str:
    return md5(word.encode(), usedforsecurity=False).hexdigest()


async def count(sql: "asyncpg.Connection[asyncpg.Record]", side: Side) -> None:
    """Adds what servers count: a request of the key that was refused, and a span that was not understood."""
    seen = NOW - timedelta(hours=2)
    await sql.execute(
        "insert into public.refusals (workspace_id, hour, caller_id, limit_name, requests)"
        " values ($1, $2, $3, 'guard_requests', 1)",
        side.workspace_id,
        seen,
        side.key,
    )
    await sql.execute(
        "insert into public.unread_spans (workspace_id, id, scope, spans, example, first_seen_at, last_seen_at)"
        " values ($1, $2, $3, 1, $4, $5, $5)",
        side.workspace_id,
        side.unread_kind,
        f"{side.word}-scope",
        dumps([{"name": f"{side.word}-model", "value": side.model}]).decode(),
        seen,
    )


async def fill(sql: "asyncpg.Connection[asyncpg.Record]", alpha: Side, bravo: Side, third: UUID) -> Ledger:
    """Completes both sides, and copies the rows of Alpha to Bravo with the same ids and to a third with other ids."""
    for side in (alpha, bravo):
        await count(sql, side)
        side.ciphertext = await sql.fetchval(
            "select ciphertext from public.provider_keys where id = $1", side.provider_key
        )
        side.channel_ciphertext = await sql.fetchval(
            "select ciphertext from public.alert_channels where id = $1", side.channel
        )
    # The oldest event of each may be deleted.
    await sql.execute(
        "insert into public.settings (workspace_id, retention_days, updated_by, updated_at) values ($1, 1, $2, $3)"
        " on conflict (workspace_id) do update set retention_days = 1",
        alpha.workspace_id,
        alpha.admin,
        NOW,
    )
    await sql.execute(
        "update public.workspaces set events_since = $1, events_since_at = $2", NOW - timedelta(days=4), START
    )
    bravo.new_id, bravo.new_name = bravo.key, "bravo-key"
    bravo.new_key_hash = await sql.fetchval("select key_hash from public.api_keys where id = $1", bravo.key)
    bravo.new_token_hash = await sql.fetchval(
        "select token_hash from public.invitations where id = $1", bravo.invitation
    )
    tables = await sql.fetch(
        "select relname from pg_class join pg_attribute on attrelid = pg_class.oid and attname = 'workspace_id'"
        # Each workspace has one row of its own in this table.
        " where relnamespace = 'public'::regnamespace and relkind = 'r' and relname <> 'changes'"
    )
    hashes = "'key_hash', gen_random_uuid(), 'token_hash', gen_random_uuid()"
    async with sql.transaction():
        # The foreign keys hold only after all rows are copied.
        await sql.execute("set local session_replication_role = replica")
        for (table,) in tables:
            for copy, fresh in ((third, f"{hashes}, 'id', gen_random_uuid()"), (bravo.workspace_id, hashes)):
                if table == "settings" and copy == bravo.workspace_id:
                    # A workspace has one row, and Bravo has its own.
                    continue
                await sql.execute(
                    f"insert into public.{table}"
                    f" select (jsonb_populate_record(t, jsonb_build_object('workspace_id', $1::uuid, {fresh}))).*"
                    f" from public.{table} t where workspace_id = $2 on conflict do nothing",
                    copy,
                    alpha.workspace_id,
                )
            # Alpha's own rows are rewritten and thus last: a function that takes any row takes a copy.
            await sql.execute(
                f"update public.{table} set workspace_id = workspace_id where workspace_id = $1", alpha.workspace_id
            )
    return Ledger(sql, alpha, bravo)
