"""No SQL function that is asked about one workspace returns or changes anything of another.

Every function is called for the workspace Alpha, with Alpha's own values and with those of the workspace Bravo, all of
whose names begin with "bravo". Besides, Bravo and a third workspace hold copies of every row of Alpha's, one under the
same ids and the other under the same names: a function that forgets to say which workspace it means hits those too.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from tests.conftest import client_of, running, settings_for
from tests.support.team import Member, call, new_api_key, new_email, sign_up
from utils.json import dumps

NOW = datetime.now(UTC) + timedelta(hours=1)
LATER = NOW + timedelta(days=1)
# The end is not midnight, so that what is left of the last day counts too.
START, END = NOW - timedelta(days=20), NOW

# The functions that are not about one workspace, and why.
ACROSS = {
    "account_of_session": "answers who holds a session, and refuses a workspace that is not theirs",
    "session_use": "as account_of_session",
    "session_start": "a session holds in all workspaces of its user",
    "session_refresh": "a session holds in all workspaces of its user",
    "session_end": "a session holds in all workspaces of its user",
    "session_list": "a session holds in all workspaces of its user",
    "sessions_end": "a session holds in all workspaces of its user",
    "credentials": "answers who signs in, before any workspace is known",
    "user_update": "an account is the same in all workspaces of its user",
    "user_delete": "an account is the same in all workspaces of its user",
    "workspace_list": "answers which workspaces a user belongs to",
    "signup": "makes a workspace that is not there yet",
    "workspace_create": "makes a workspace that is not there yet",
    "create_workspace": "makes a workspace that is not there yet",
    "invitation_accept": "only the token says which workspace it is for",
    "api_key_use": "only the key says which workspace it is for",
    "workspace_ids": "maintenance goes from one workspace to the next",
    "watch_claim": "every server looks after all workspaces",
    "delivery_claim": "every server delivers for all workspaces",
    "retention_due": "every server deletes for all workspaces",
    "changes_note": "a server counts the changes of many workspaces at once",
    "changes_of": "a server asks at once for all workspaces that somebody watches there",
    "outbox_pending": "the metrics are about the server, not about a workspace",
    "schema_version": "reads no table",
}
# A hash is unique among all workspaces, for it alone says which one is meant; so one that is taken is refused.
HASHES = {"api_keys_key_hash_key", "invitations_token_hash_key"}
# What can be seen to belong to somebody: the names of Bravo's own, and every id and hash.
SIGNS = re.compile(r"bravo[\w.@-]*|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[0-9a-f]{64}\b")


@dataclass
class Side:
    """What one of the two workspaces holds. What is new is not there yet in Alpha, but it is in Bravo."""

    name: str
    workspace_id: UUID
    admin: UUID
    viewer: UUID
    viewer_email: str
    session: UUID
    invitation: UUID
    invited: str
    project: UUID
    project_name: str
    key: UUID
    provider_key: UUID
    provider: str
    ciphertext: str
    price: UUID
    budget: UUID
    reservation: UUID
    alert: UUID
    channel: UUID
    channel_ciphertext: str
    period: str
    event: UUID
    feedback: UUID
    model: str
    tag: str
    audit_line: UUID
    new_id: UUID
    new_name: str
    new_key_hash: str
    new_token_hash: str


def arguments(it: Side) -> dict[str, tuple[dict[str, Any], ...]]:
    """What each function is called with, in one or more ways, the first of which it accepts for one's own workspace.

    Parameters not named here have the values of `usual`.
    """
    planned = {
        "p_provider": it.provider,
        "p_model": it.model,
        "p_project": it.project_name,
        "p_tags": f'{{"{it.tag}": "{it.tag}"}}',
        "p_api_key_id": it.key,
    }
    event = {
        "timestamp": NOW,
        "user_id": it.viewer,
        "api_key_id": it.key,
        "reservation_id": it.reservation,
        "latency_ms": 12.5,
        "input_tokens": 1,
        "cache_read_tokens": 2,
        "cache_write_5m_tokens": 3,
        "cache_write_1h_tokens": 4,
        "output_tokens": 5,
        "reasoning_tokens": 0,
        "cost": Decimal("0.5"),
        "pricing": "caller",
        "provider": it.provider,
        "model": it.model,
        "project": it.project_name,
        "status": "success",
        "tags": {it.tag: it.tag},
        "policy_violations": ["token_limit"],
    }
    everything = {
        "p_start": None,
        "p_end": None,
        "p_provider": None,
        "p_model": None,
        "p_project": None,
        "p_status": None,
        "p_tag": None,
        "p_policy_violation": None,
        "p_before_timestamp": None,
        "p_before_id": None,
    }
    some = {
        "p_provider": it.provider,
        "p_model": it.model,
        "p_project": it.project_name,
        "p_status": "success",
        "p_tag": f'{{"{it.tag}": "{it.tag}"}}',
        "p_policy_violation": "model_disabled",
        "p_before_timestamp": NOW,
        "p_before_id": it.event,
    }
    metrics = (
        {"p_project": None, "p_provider": None, "p_model": None},
        {"p_project": it.project_name, "p_provider": it.provider, "p_model": it.model},
    )
    rates = {
        name: Decimal(1)
        for name in (
            "p_input",
            "p_cache_read",
            "p_cache_write",
            "p_cache_write_1h",
            "p_output",
            "p_reasoning",
            "p_request",
        )
    }
    invitation = {
        "p_invitation_id": it.new_id,
        "p_role": "viewer",
        "p_token_hash": it.new_token_hash,
        "p_expires_at": LATER,
    }
    return {
        "audit_write": ({"p_action": "said", "p_target": it.name, "p_details": "{}"},),
        "audit_list": (
            {"p_before_at": None, "p_before_id": None},
            {"p_before_at": NOW, "p_before_id": it.audit_line},
        ),
        # Members
        "workspace_rename": ({"p_name": it.new_name},),
        "workspace_delete": ({"p_name": it.name},),
        "member_list": ({},),
        "require_one_admin": ({"p_user_id": it.viewer}, {"p_user_id": it.admin}),
        "member_set_role": (
            {"p_user_id": it.viewer, "p_role": "admin"},
            {"p_user_id": it.viewer, "p_role": "viewer"},
            {"p_user_id": it.admin, "p_role": "viewer"},
        ),
        "member_remove": ({"p_user_id": it.viewer}, {"p_user_id": it.admin}),
        "invitation_list": ({},),
        "invitation_create": ({**invitation, "p_email": it.invited}, {**invitation, "p_email": it.viewer_email}),
        "invitation_delete": ({"p_invitation_id": it.invitation},),
        # Projects
        "project_key": ({"p_name": it.project_name}, {"p_name": str(it.project)}),
        "project_create": ({"p_names": [it.new_name]}, {"p_names": [it.project_name]}),
        "project_list": (
            {"p_project_id": None, "p_archived": True, "p_after": None},
            {"p_project_id": it.project, "p_archived": False, "p_after": None},
        ),
        "project_update": ({"p_project_id": it.project, "p_name": it.project_name, "p_archived": True},),
        # Keys
        "api_key_create": (
            {
                "p_user_id": it.viewer,
                "p_key_id": it.new_id,
                "p_name": it.new_name,
                "p_key_hash": it.new_key_hash,
                "p_last_four": "abcd",
                "p_scopes": ["read"],
                "p_project": it.project_name,
                "p_expires_at": None,
            },
        ),
        "api_key_list": ({"p_key_id": None}, {"p_key_id": it.key}),
        "api_key_rename": ({"p_key_id": it.key, "p_name": it.new_name},),
        "api_key_revoke": ({"p_key_id": it.key},),
        "provider_key_create": (
            {
                "p_user_id": it.viewer,
                "p_key_id": it.new_id,
                "p_provider": it.provider,
                "p_name": it.new_name,
                "p_ciphertext": "sealed",
                "p_last_four": "abcd",
            },
        ),
        "provider_key_list": ({},),
        "provider_key_delete": ({"p_key_id": it.provider_key},),
        "provider_key_ciphertexts": ({},),
        "provider_key_reencrypt": ({"p_key_id": it.provider_key, "p_before": it.ciphertext, "p_after": "sealed"},),
        # Prices
        "price_create": (
            {
                "p_user_id": it.viewer,
                "p_price_id": it.new_id,
                "p_provider": it.provider,
                "p_model": it.model,
                "p_starts_at": NOW,
                "p_ends_at": None,
                "p_percent_of_list": None,
                **rates,
            },
        ),
        "price_list": ({"p_price_id": None}, {"p_price_id": it.price}),
        "price_end": ({"p_price_id": it.price, "p_ends_at": NOW},),
        # Settings
        "settings_one": ({},),
        "settings_set": (
            {"p_user_id": it.viewer, "p_changes": '{"retention_days": 7}'},
            {"p_user_id": it.viewer, "p_changes": f'{{"disabled_models": ["{it.model}"]}}'},
        ),
        "workspace_terms": ({"p_known_version": None},),
        # Budgets
        "budget_set": (
            {
                "p_budget_id": it.new_id,
                "p_user_id": it.viewer,
                "p_name": it.new_name,
                "p_limit": Decimal(7),
                "p_period": it.period,
                "p_starts_on": None,
                "p_days": None,
                "p_project": it.project_name,
                "p_provider": it.provider,
                "p_model": it.model,
                "p_model_like": it.model,
                "p_tag_key": it.tag,
                "p_tag_value": it.tag,
                "p_api_key_id": it.key,
                "p_hard": True,
                "p_thresholds": [Decimal("0.000001")],
            },
        ),
        "queue_deliveries": ({"p_alert_ids": [it.alert]},),
        "budget_contributors": ({"p_budget_id": it.budget},),
        "count_against_budgets": ({"p_event_ids": [it.event]},),
        "budgets_of_call": (planned,),
        "reserve": (
            {
                **planned,
                "p_reservation_id": it.new_id,
                "p_user_id": it.viewer,
                "p_amount": Decimal(1),
                "p_pricing": "list",
                "p_expires_at": LATER,
            },
            {
                **planned,
                "p_reservation_id": it.new_id,
                "p_user_id": it.viewer,
                "p_amount": Decimal(1000),
                "p_pricing": "list",
                "p_expires_at": LATER,
            },
        ),
        "reservation_release": ({"p_reservation_id": it.reservation},),
        # Alerts
        "alert_list": ({"p_before_at": None, "p_before_id": None}, {"p_before_at": NOW, "p_before_id": it.alert}),
        "alert_resend": ({"p_alert_id": it.alert},),
        "alert_test": ({"p_alert_id": it.new_id, "p_channel_id": it.channel},),
        "channel_list": ({},),
        "channel_create": (
            {
                "p_user_id": it.viewer,
                "p_channel_id": it.new_id,
                "p_kind": "webhook",
                "p_name": it.new_name,
                "p_target": "https://example.com",
                "p_digest": "daily",
                "p_ciphertext": "sealed",
            },
        ),
        "channel_update": ({"p_channel_id": it.channel, "p_digest": "daily"},),
        "channel_delete": ({"p_channel_id": it.channel},),
        "watch_note": ({"p_tz": "UTC", "p_anomalies": "[]"},),
        "channel_ciphertexts": ({},),
        "channel_reencrypt": ({"p_channel_id": it.channel, "p_before": it.channel_ciphertext, "p_after": "sealed"},),
        "delivery_done": (
            {
                "p_alert_id": it.alert,
                "p_channel_id": it.channel,
                "p_delivery_id": it.new_id,
                "p_attempt": 1,
                "p_error": "refused",
                "p_retry_at": LATER,
            },
        ),
        "budget_list": ({"p_budget_id": None}, {"p_budget_id": it.budget}),
        "budget_delete": ({"p_budget_id": it.budget},),
        # Events and what they cost
        "record_events": tuple(
            {"p_created_at": NOW, "p_events": dumps([{**event, "id": id_}]).decode()} for id_ in (it.new_id, it.event)
        ),
        "event_one": ({"p_event_id": it.event},),
        "event_list": (everything, some),
        "export_events": (everything, some),
        "export_costs": (
            dict.fromkeys(("p_after_date", "p_after_project", "p_after_provider", "p_after_model")),
            {
                "p_after_date": START.date(),
                "p_after_project": it.project_name,
                "p_after_provider": it.provider,
                "p_after_model": it.model,
            },
        ),
        "cost_summary": ({},),
        "cost_by_provider": ({},),
        "cost_top_models": ({},),
        "cost_by_project": ({},),
        "cost_by_tag": ({"p_key": it.tag},),
        "cost_tag_keys": ({"p_limit": 10},),
        "cost_timeseries": tuple(
            {"p_step": "day", "p_limit": 10}
            | dict.fromkeys(("p_by", "p_key", "p_project", "p_provider", "p_model"))
            | some
            for some in (
                {},
                {"p_by": "model", "p_project": it.project_name},
                {"p_by": "project", "p_provider": it.provider, "p_model": it.model},
                {"p_by": "tag", "p_key": it.tag},
            )
        ),
        "metrics_summary": metrics,
        "metrics_daily": metrics,
        "metrics_latency": metrics,
        "metrics_quality": metrics,
        "metric_cells": tuple({**some, "p_project_key": it.project_name} for some in metrics),
        # Feedback
        "feedback_set": (
            {
                "p_feedback_id": it.new_id,
                "p_event_id": it.event,
                "p_rating": 3,
                "p_comment": "so so",
            },
        ),
        "feedback_list": (
            {"p_event_id": None, "p_search": None, "p_rating": None, "p_before_at": None, "p_before_id": None},
            {
                "p_event_id": it.event,
                "p_search": it.model,
                "p_rating": 5,
                "p_before_at": NOW,
                "p_before_id": it.feedback,
            },
        ),
        "spend_cells": ({"p_whole_days": True}, {"p_whole_days": False}),
        "cost_compare": (
            {"p_before_start": START - timedelta(days=20), "p_before_end": START},
            {"p_before_start": START, "p_before_end": END, "p_limit": 0},
        ),
        "spend_forecast": ({"p_days": 30},),
        "spend_series": ({"p_hours_from": START, "p_limit": 100}, {"p_hours_from": END, "p_limit": 0}),
        "model_usage": tuple({"p_samples": samples} for samples in (1, 500)),
        "lock_totals": ({"p_alone": True},),
        "rollup_differences": ({},),
        "rebuild_rollups": ({},),
        # Deletes what has expired; with nothing left to delete, decides up to where to go on.
        "retention_sweep": ({"p_after": None}, {"p_after": NOW}),
        "export_workspace": ({},),
        "export_spend": ({"p_after": None}, {"p_after": START}),
    }


def usual(it: Side) -> dict[str, Any]:
    """What parameters of these names are in every function."""
    return {
        # A key is called by its name in the audit log, but only if it is one of this workspace.
        "p_actor_id": it.key,
        "p_now": NOW,
        "p_start": START,
        "p_end": END,
        "p_after_start": START,
        "p_after_end": END,
        "p_since": START,
        "p_tz": "UTC",
        "p_limit": 100,
    }


class Ledger:
    """A database with both workspaces."""

    def __init__(self, sql: "asyncpg.Connection[asyncpg.Record]", alpha: Side, bravo: Side) -> None:
        self.sql = sql
        self.alpha = alpha
        self.bravo = bravo
        # The schema of each function.
        self.schemas: dict[str, str] = {}

    async def functions(self) -> dict[str, list[str]]:
        """Every function that is asked about a workspace or called by the application, with its parameters' names."""
        found = await self.sql.fetch(
            "select p.proname, p.pronamespace::regnamespace::text as schema,"
            " array(select unnest(p.proargnames[1:p.pronargs])) as parameters from pg_proc p"
            " where p.pronamespace in ('public'::regnamespace, 'llmlab_private'::regnamespace)"
            " and (p.pronamespace = 'public'::regnamespace or 'p_workspace_id' = any (p.proargnames))"
        )
        assert len({row["proname"] for row in found}) == len(found), "two functions have one name"
        self.schemas = {row["proname"]: row["schema"] for row in found}
        return {row["proname"]: list(row["parameters"]) for row in found}

    async def calls(self) -> list[tuple[str, dict[str, Any], bool]]:
        """Every call to make for Alpha: the function, its arguments, and whether it must be accepted."""
        ours, theirs = arguments(self.alpha), arguments(self.bravo)
        calls = []
        for function, parameters in sorted((await self.functions()).items()):
            if function in ACROSS:
                continue
            for way, (own, foreign) in enumerate(zip(ours[function], theirs[function], strict=True)):
                own, foreign = usual(self.alpha) | own, usual(self.bravo) | foreign
                own = {name: own[name] for name in parameters if name != "p_workspace_id"}
                for number, given in enumerate(mixtures(own, foreign)):
                    calls.append((function, {"p_workspace_id": self.alpha.workspace_id, **given}, way == number == 0))
        return calls

    async def ask(self, function: str, given: dict[str, Any]) -> "list[asyncpg.Record]":
        """What a function answers."""
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


def mixtures(own: dict[str, Any], foreign: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Our own values; theirs; and for each parameter that makes a difference, only that one theirs."""
    different = [name for name in own if own[name] != foreign[name]]
    yield own
    if different:
        yield own | {name: foreign[name] for name in different}
    if len(different) > 1:
        for name in different:
            yield own | {name: foreign[name]}


def signs(texts: Iterable[object]) -> set[str]:
    """What in these texts shows whose they are."""
    return {sign for text in texts for sign in SIGNS.findall(str(text).lower())}


async def made(somebody: Member, path: str, **body: Any) -> Any:
    """What somebody has just made."""
    response = await somebody.request("POST", path, json=body)
    assert response.status_code == 201, response.text
    return response.json()


async def furnish(client: httpx.AsyncClient, word: str, period: str, days: int) -> Side:
    """A workspace with something of everything, the oldest so many days ago."""
    admin, viewer = await sign_up(client, f"{word}-team"), await sign_up(client, f"{word}-viewer")
    to_viewer = await made(admin, "/api/workspaces/invitations", email=viewer.email)
    joined = await viewer.request("POST", "/api/workspaces/invitations/accept", json={"token": to_viewer["token"]})
    assert joined.status_code == 200, joined.text
    invitation = await made(admin, "/api/workspaces/invitations", email=new_email(f"{word}-invited"))
    project = await made(admin, "/api/projects", name=f"{word}-project")
    key = await new_api_key(admin, name=f"{word}-key", project=project["name"])
    provider_key = await made(
        admin, "/api/provider-keys", provider=f"{word}-provider", name=f"{word}-sealed", key="sk-0123456789"
    )
    price = await made(
        admin, "/api/prices", provider=f"{word}-provider", model=f"{word}-model", input=1, output=2, ends_at=str(LATER)
    )
    budget = await made(admin, "/api/budgets", name=f"{word}-budget", limit=100, period=period, hard=True)
    planned = {"provider": f"{word}-provider", "model": f"{word}-model", "input_tokens": 1, "max_output_tokens": 1}
    reservation = await made(admin, "/api/budgets/reservations", **planned, seconds=86_400)
    event = call(
        provider=f"{word}-provider",
        model=f"{word}-model",
        project=project["name"],
        tags={f"{word}-tag": f"{word}-tag"},
        metadata={"word": f"{word}-metadata"},
    )
    tracked = await made(admin, "/api/events/track", **event)
    await admin.batch(
        event | {"timestamp": str(NOW - timedelta(days=3)), "cost": 0.7, "latency_ms": 3},
        event | {"timestamp": str(NOW - timedelta(days=days)), "status": "error", "error_message": f"{word}-error"},
    )
    settings = await admin.request("PUT", "/api/settings", json={"disabled_models": [f"{word}-disabled"]})
    assert settings.status_code == 200, settings.text
    rating = {"event_id": tracked["event_id"], "rating": 5, "comment": f"{word}-comment"}
    feedback = await made(admin, "/api/feedback", **rating)
    channel = await made(
        admin, "/api/alert-channels", name=f"{word}-channel", kind="webhook", url="https://hooks.example.com/x"
    )
    await admin.track(provider=f"{word}-provider", model=f"{word}-unpriced")
    alert = (await admin.get("/api/alerts"))["alerts"][0]
    audit = await admin.get("/api/audit")
    session = await admin.get("/api/auth/sessions")
    return Side(
        name=admin.session["user"]["name"],
        workspace_id=UUID(admin.session["workspace_id"]),
        admin=UUID(admin.session["user_id"]),
        viewer=UUID(viewer.session["user_id"]),
        viewer_email=viewer.email,
        session=UUID(session["sessions"][0]["id"]),
        invitation=UUID(invitation["id"]),
        invited=invitation["email"],
        project=UUID(project["id"]),
        project_name=project["name"],
        key=UUID(key.id),
        provider_key=UUID(provider_key["id"]),
        provider=provider_key["provider"],
        ciphertext="",
        price=UUID(price["id"]),
        budget=UUID(budget["id"]),
        reservation=UUID(reservation["id"]),
        alert=UUID(alert["id"]),
        channel=UUID(channel["id"]),
        channel_ciphertext="",
        period=period,
        event=UUID(tracked["event_id"]),
        feedback=UUID(feedback["id"]),
        model=f"{word}-model",
        tag=f"{word}-tag",
        audit_line=UUID(audit["entries"][0]["id"]),
        new_id=uuid4(),
        new_name="new",
        new_key_hash="new",
        new_token_hash="new",
    )


@pytest.fixture
async def ledger(url: str, no_deliveries: None, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path) -> Ledger:
    """Alpha; Bravo, with everything of its own and a copy of Alpha's; and another copy."""
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        # The oldest workspaces come first in every index, too.
        third = UUID((await sign_up(client, "Third")).session["workspace_id"])
        bravo = await furnish(client, "bravo", "weekly", days=7)
        alpha = await furnish(client, "alpha", "monthly", days=5)
    for side in (alpha, bravo):
        side.ciphertext = await sql.fetchval(
            "select ciphertext from public.provider_keys where id = $1", side.provider_key
        )
        side.channel_ciphertext = await sql.fetchval(
            "select ciphertext from public.alert_channels where id = $1", side.channel
        )
    # Everybody's oldest event may be deleted.
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
        # Of this each workspace has one row of its own.
        " where relnamespace = 'public'::regnamespace and relkind = 'r' and relname <> 'changes'"
    )
    hashes = "'key_hash', gen_random_uuid(), 'token_hash', gen_random_uuid()"
    async with sql.transaction():
        # Foreign keys hold once all is copied.
        await sql.execute("set local session_replication_role = replica")
        for (table,) in tables:
            for copy, fresh in ((third, f"{hashes}, 'id', gen_random_uuid()"), (bravo.workspace_id, hashes)):
                if table == "settings" and copy == bravo.workspace_id:
                    # There is one row for a workspace, and Bravo has its own.
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


@dataclass
class Outcome:
    """What came of a call: how it was refused, or what it answered and what Alpha and the others then held."""

    refusal: str | None
    answer: list[str]
    ours: list[str]
    others: list[str]


async def outcome(ledger: Ledger, function: str, given: dict[str, Any]) -> Outcome:
    """Calls a function, and takes back whatever it did."""
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
    asked = arguments(ledger.alpha)
    functions = await ledger.functions()
    assert functions.keys() == asked.keys() | ACROSS.keys()
    assert not asked.keys() & ACROSS.keys()
    for function, ways in asked.items():
        assert "p_workspace_id" in functions[function], function
        for way in ways:
            given = usual(ledger.alpha) | way | {"p_workspace_id": ledger.alpha.workspace_id}
            assert way.keys() <= set(functions[function]) <= given.keys(), function


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
    """What Alpha could notice; ids that were just made up are all the same."""

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
