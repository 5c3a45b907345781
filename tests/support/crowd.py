"""A large workspace beside many small ones, written straight into the tables."""

from uuid import UUID

import asyncpg

# Number of rows of the large workspace, by table. The events are spread over MONTHS, MODELS and TAG_VALUES.
SIZES = {
    "users": 300,
    "members": 300,
    "sessions": 300,
    "invitations": 300,
    "projects": 5_000,
    "api_keys": 500,
    "provider_keys": 90,
    "prices": 300,
    "events": 27_000,
    "budgets": 200,
    "reservations": 1_000,
    "holds": 1_000,
    "alert_channels": 40,
    "alerts": 1_000,
    "deliveries": 1_000,
    "delivery_attempts": 1_000,
    "audit_log": 5_000,
    "feedback": 2_000,
    "refusals": 2_000,
    "spans": 5_000,
    "unread_spans": 50,
}
MODELS = 2_000
TAG_VALUES = 20_000
MONTHS = 36

_NAMES = {
    "moment": f"(now() - n * interval '{MONTHS} months' / size)",
    "model": f"'m' || n % {MODELS}",
    "project": f"'p' || n % {SIZES['projects']}",
    "value": f"n % {TAG_VALUES}",
    "key": f"md5('key' || n % {SIZES['api_keys']})::uuid",
    "budget": f"md5('budget' || 1 + n % {SIZES['budgets']})::uuid",
    "channel": f"md5('channel' || 1 + n % {SIZES['alert_channels']})::uuid",
}
# The values that differ from row to row, as SQL over the row number n and the number of rows, size.
_VALUES = {
    "users": "'id', md5('user' || n)::uuid, 'email', n || '@large.example'",
    "members": "'user_id', md5('user' || n)::uuid",
    "sessions": "'id', md5('session' || n)::uuid, 'user_id', md5('user' || n)::uuid",
    "invitations": "'id', md5('invitation' || n)::uuid, 'email', n || '@invited.example', 'token_hash', md5('t' || n)",
    "projects": "'id', md5('project' || n)::uuid, 'key', 'p' || n, 'name', 'p' || n",
    "api_keys": "'id', md5('key' || n)::uuid, 'name', 'k' || n, 'key_hash', md5('k' || n),"
    " 'project_id', md5('project' || n)::uuid",
    "provider_keys": "'id', md5('provider key' || n)::uuid, 'name', 'k' || n",
    "prices": "'id', md5('price' || n)::uuid, 'model', 'm' || n",
    "events": "'id', md5('event' || n)::uuid, 'timestamp', {moment}, 'model', {model}, 'project', {project},"
    " 'tags', jsonb_build_object('customer', {value}), 'api_key_id', {key}, 'latency_ms', n % 5000",
    "budgets": "'id', md5('budget' || n)::uuid, 'name', 'b' || n, 'scope', jsonb_build_object('n', n),"
    " 'tz', (array['UTC', 'Europe/Berlin', 'Asia/Kolkata'])[1 + n % 3], 'hard', n % 2 = 0,"
    " 'project_key', case when n % 5 = 1 then 'p' || n end, 'model_like', case when n % 5 = 2 then 'm' || n end,"
    " 'tag_key', case when n % 5 = 3 then 'customer' end, 'tag_value', case when n % 5 = 3 then n::text end,"
    " 'api_key_id', case when n % 5 = 4 then {key} end",
    # Ten calls in each trace, one within the other.
    "spans": "'id', md5((n / 10)::text) || ':' || n, 'call', '{{}}'::jsonb,"
    " 'parent_id', case when n % 10 > 0 then md5((n / 10)::text) || ':' || n - 1 end",
    "reservations": "'id', md5('reservation' || n)::uuid",
    "holds": "'reservation_id', md5('reservation' || n)::uuid, 'budget_id', {budget}",
    "alert_channels": "'id', md5('channel' || n)::uuid, 'name', 'c' || n",
    "alerts": "'id', md5('alert' || n)::uuid, 'kind', 'budget', 'budget_id', {budget},"
    " 'period_start', date_trunc('month', now()), 'threshold', n, 'created_at', {moment}",
    "deliveries": "'alert_id', md5('alert' || n)::uuid, 'channel_id', {channel}, 'id', gen_random_uuid(),"
    " 'status', case when n % 2 = 0 then 'pending' else 'delivered' end, 'next_attempt_at', {moment}",
    "delivery_attempts": "'id', gen_random_uuid(), 'alert_id', md5('alert' || n)::uuid, 'channel_id', {channel}",
    "audit_log": "'id', md5('line' || n)::uuid, 'at', {moment}",
    "feedback": "'id', md5('feedback' || n)::uuid, 'event_id', md5('event' || n)::uuid, 'called_at', {moment},"
    " 'created_at', {moment}, 'model', {model}, 'project', {project}",
    "refusals": "'hour', {moment}, 'caller_id', {key}",
    "unread_spans": "'id', md5('kind' || n)::uuid",
}


async def surround(sql: "asyncpg.Connection[asyncpg.Record]", workspace_id: UUID, count: int) -> None:
    """Copies the rows of a small workspace to `count` others, each with a user of its own."""
    async with sql.transaction():
        # The foreign keys hold only after all rows are copied.
        await sql.execute("set local session_replication_role = replica")
        await sql.execute(
            f"create temporary table neighbours on commit drop as"
            f" select gen_random_uuid() as id from generate_series(1, {count})"
        )
        await sql.execute(
            "insert into public.workspaces select r.* from public.workspaces w, neighbours n,"
            " jsonb_populate_record(w, jsonb_build_object('id', n.id)) r where w.id = $1",
            workspace_id,
        )
        await sql.execute(
            "insert into public.users select r.* from (select to_jsonb(u) as row from public.users u limit 1) u,"
            " neighbours n, jsonb_populate_record(null::public.users,"
            " u.row || jsonb_build_object('id', n.id, 'email', n.id || '@small.example')) r"
        )
        for table in await _tables(sql):
            user = ", 'user_id', n.id" if table == "members" else ""
            await sql.execute(
                f"insert into public.{table} select r.* from public.{table} t, neighbours n,"
                " jsonb_populate_record(t, jsonb_build_object("
                f" 'workspace_id', n.id, 'key_hash', gen_random_uuid(), 'token_hash', gen_random_uuid(){user})) r"
                " where t.workspace_id = $1 on conflict do nothing",
                workspace_id,
            )


async def enlarge(sql: "asyncpg.Connection[asyncpg.Record]", workspace_id: UUID) -> None:
    """Fills a workspace that has a row in every table."""
    async with sql.transaction():
        await sql.execute("set local session_replication_role = replica")
        for table, size in SIZES.items():
            ours = "true" if table in ("users", "sessions") else f"workspace_id = '{workspace_id}'"
            await sql.execute(
                f"insert into public.{table} select r.*"
                f" from (select to_jsonb(t) as row from public.{table} t where {ours} limit 1) t,"
                f" (select {size} as size) s, generate_series(1, {size}) n,"
                f" jsonb_populate_record(null::public.{table}, t.row ||"
                f" jsonb_build_object({_VALUES[table].format(**_NAMES)})) r"
                " on conflict do nothing"
            )
        for table in ("spend_hourly", "spend_daily", "spend_by_tag"):
            await sql.execute(f"delete from public.{table} where workspace_id = $1", workspace_id)
            await sql.execute(
                f"insert into public.{table} select * from llmlab_private.{table}_recount where workspace_id = $1",
                workspace_id,
            )
        # Recounting these reads all totals for each budget.
        await sql.execute(
            "insert into public.budget_periods"
            " select b.workspace_id, b.id, date_trunc('month', now()) - m * interval '1 month', m, 0"
            f" from public.budgets b, generate_series(0, {MONTHS} - 1) m where b.workspace_id = $1"
            " on conflict do nothing",
            workspace_id,
        )
        await sql.execute(
            "insert into public.unchecked_calls select workspace_id, budget_id, period_start, 1"
            " from public.budget_periods where workspace_id = $1 on conflict do nothing",
            workspace_id,
        )


async def _tables(sql: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    """The tables with rows of a workspace."""
    found = await sql.fetch(
        "select relname from pg_class join pg_attribute on attrelid = pg_class.oid and attname = 'workspace_id'"
        " where relnamespace = 'public'::regnamespace and relkind = 'r' order by relname"
    )
    return [row["relname"] for row in found]
