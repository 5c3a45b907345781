-- What a budget counts: the whole workspace, or the calls of a project, provider, model, tag or API key. Alerts are written
-- by the transaction that crosses a threshold.

alter table public.events add column api_key_id uuid;

alter table public.budgets
  -- Every part that is not null must fit a call. scope keeps the same as one value, to tell budgets apart.
  add column project_key text,
  add column provider text,
  -- As given, with * for anything, and the same for ilike.
  add column model text,
  add column model_like text,
  add column tag_key text,
  add column tag_value text,
  add column api_key_id uuid,
  -- A custom period: so many days, again and again, from the start of a day on.
  add column starts_on date,
  add column days integer check (days > 0),
  drop constraint budgets_period_check,
  add check (period in ('daily', 'weekly', 'monthly', 'quarterly', 'yearly', 'custom')),
  add check ((period = 'custom') = (starts_on is not null and days is not null));

drop view public.budget_periods_recount;
drop function public.period_start;

-- When the period began that a moment falls in, by the calendar of the budget's time zone.
create function public.period_start(p_budget public.budgets, p_time timestamptz) returns timestamptz
language sql stable parallel safe
return case p_budget.period
  when 'custom' then (
    p_budget.starts_on
    + floor(((p_time at time zone p_budget.tz)::date - p_budget.starts_on)::numeric / p_budget.days)::integer
      * p_budget.days)::timestamp
  else date_trunc(public.period_unit(p_budget.period), p_time at time zone p_budget.tz)
  end at time zone p_budget.tz;
revoke all on function public.period_start from public, anon, authenticated;
grant execute on function public.period_start to service_role;


-- When the period ends that begins at a moment.
create function public.period_end(p_budget public.budgets, p_start timestamptz) returns timestamptz
language sql stable parallel safe
return (p_start at time zone p_budget.tz
  + case p_budget.period
      when 'custom' then p_budget.days * interval '1 day'
      when 'quarterly' then interval '3 months'
      else ('1 ' || public.period_unit(p_budget.period))::interval end) at time zone p_budget.tz;
revoke all on function public.period_end from public, anon, authenticated;
grant execute on function public.period_end to service_role;


-- What budget_periods must say. Every midnight begins a bucket, so a bucket lies in one period whole. The rollups know
-- neither API keys nor which tags came together with what else, so budgets of those are counted from the events.
create view public.budget_periods_recount with (security_invoker = true) as
select c.workspace_id, c.budget_id, c.period_start, sum(c.cost) as spend, sum(c.unpriced_calls)::bigint as unpriced_calls
from (
  select b.workspace_id, b.id as budget_id, public.period_start(b, s.bucket) as period_start, s.cost, s.unpriced_calls
  from public.budgets b
  join public.spend_hourly s on s.workspace_id = b.workspace_id
    and (b.project_key is null or s.project = b.project_key)
    and (b.provider is null or s.provider = b.provider)
    and (b.model_like is null or s.model ilike b.model_like)
  where b.tag_key is null and b.api_key_id is null
  union all
  select b.workspace_id, b.id, public.period_start(b, e."timestamp"), coalesce(e.cost, 0), (e.cost is null)::integer
  from public.budgets b
  join public.events e on e.workspace_id = b.workspace_id
    and (b.project_key is null or e.project = b.project_key)
    and (b.provider is null or e.provider = b.provider)
    and (b.model_like is null or e.model ilike b.model_like)
    and (b.tag_key is null or e.tags ->> b.tag_key = b.tag_value)
    and (b.api_key_id is null or e.api_key_id = b.api_key_id)
  where b.tag_key is not null or b.api_key_id is not null
) c
group by 1, 2, 3;
revoke all on public.budget_periods_recount from public, anon, authenticated;
grant select on public.budget_periods_recount to service_role;


-- What somebody should be told, once: a budget's threshold in a period, a model without a price, ... It is written by the
-- transaction that found it, and queue_deliveries passes it on.
create table public.alerts (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  kind text not null check (kind in ('budget', 'unpriced_model', 'anomaly', 'digest', 'test')),
  -- What it is about, in a name: with kind and period_start it tells alerts without a budget apart.
  subject text not null,
  budget_id uuid,
  period_start timestamptz,
  threshold numeric,
  spend numeric,
  details jsonb not null default '{}',
  created_at timestamptz not null,
  primary key (workspace_id, id),
  foreign key (workspace_id, budget_id) references public.budgets on delete cascade
);
create unique index alerts_budget_key on public.alerts (workspace_id, budget_id, period_start, threshold)
where kind = 'budget';
create unique index alerts_subject_key on public.alerts (workspace_id, kind, subject, period_start) nulls not distinct
where kind in ('unpriced_model', 'anomaly', 'digest');
-- Serves the newest-first list and its cursor.
create index alerts_created_at_idx on public.alerts (workspace_id, created_at desc, id desc);

-- Money promised to calls that are under way; it is free again when they are settled, released or late.
create table public.reservations (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  provider text not null,
  model text not null,
  amount numeric not null check (amount >= 0),
  pricing text not null,
  created_by uuid not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  primary key (workspace_id, id)
);
-- Serves sweeping out the lapsed ones.
create index reservations_expires_at_idx on public.reservations (workspace_id, expires_at);

-- What a reservation holds of each hard budget that applies.
create table public.holds (
  workspace_id uuid not null,
  budget_id uuid not null,
  reservation_id uuid not null,
  period_start timestamptz not null,
  amount numeric not null,
  expires_at timestamptz not null,
  primary key (workspace_id, budget_id, reservation_id),
  foreign key (workspace_id, budget_id) references public.budgets on delete cascade,
  foreign key (workspace_id, reservation_id) references public.reservations on delete cascade
);
-- Serves the deletes that follow a reservation's.
create index holds_reservation_id_idx on public.holds (workspace_id, reservation_id);

alter table public.alerts enable row level security;
alter table public.reservations enable row level security;
alter table public.holds enable row level security;
revoke all on public.alerts, public.reservations, public.holds from public, anon, authenticated;
grant select, insert, update, delete on public.alerts, public.reservations, public.holds to service_role;


-- Adds events that were just recorded to the periods of the budgets that count them, and tells of the thresholds they cross.
create function public.count_against_budgets(
  p_workspace_id uuid,
  p_event_ids uuid[],
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
begin
  with recorded as (
    select e.*, public.spend_bucket(e."timestamp") as bucket
    from public.events e
    where e.workspace_id = p_workspace_id and e.id = any (p_event_ids)
  ),
  cells as (
    select r.bucket, r.project, r.provider, r.model, coalesce(sum(r.cost), 0) as cost,
      count(*) filter (where r.cost is null) as unpriced_calls
    from recorded r
    group by 1, 2, 3, 4
  ),
  budgeted as (
    insert into public.budget_periods as p
    select p_workspace_id, m.budget_id, m.period_start, sum(m.cost), sum(m.unpriced_calls)
    from (
      select b.id as budget_id, public.period_start(b, c.bucket) as period_start, c.cost, c.unpriced_calls
      from public.budgets b
      join cells c on (b.project_key is null or c.project = b.project_key)
        and (b.provider is null or c.provider = b.provider)
        and (b.model_like is null or c.model ilike b.model_like)
      where b.workspace_id = p_workspace_id and b.tag_key is null and b.api_key_id is null
      union all
      select b.id, public.period_start(b, r.bucket), coalesce(r.cost, 0), (r.cost is null)::integer
      from public.budgets b
      join recorded r on (b.project_key is null or r.project = b.project_key)
        and (b.provider is null or r.provider = b.provider)
        and (b.model_like is null or r.model ilike b.model_like)
        and (b.tag_key is null or r.tags ->> b.tag_key = b.tag_value)
        and (b.api_key_id is null or r.api_key_id = b.api_key_id)
      where b.workspace_id = p_workspace_id and (b.tag_key is not null or b.api_key_id is not null)
    ) m
    group by m.budget_id, m.period_start
    order by m.budget_id, m.period_start
    on conflict (workspace_id, budget_id, period_start) do update set
      spend = p.spend + excluded.spend,
      unpriced_calls = p.unpriced_calls + excluded.unpriced_calls
    returning p.budget_id, p.period_start, p.spend
  )
  insert into public.alerts
    (workspace_id, id, kind, subject, budget_id, period_start, threshold, spend, created_at)
  select p_workspace_id, gen_random_uuid(), 'budget', b.name, b.id, s.period_start, t.threshold, s.spend, p_now
  from budgeted s
  join public.budgets b on b.workspace_id = p_workspace_id and b.id = s.budget_id
  cross join lateral unnest(b.thresholds) as t (threshold)
  where s.spend >= b."limit" * t.threshold / 100
  order by b.id, s.period_start, t.threshold
  on conflict do nothing;
end
$$;
revoke all on function public.count_against_budgets from public, anon, authenticated;
grant execute on function public.count_against_budgets to service_role;


-- Stores the events that are not there yet and adds just those to the rollups and to the periods of the budgets. What was
-- reserved for them is settled, and a threshold they cross or a model without a price makes an alert.
-- Answers with the stored event of every one that was there before, with its position in the arrays (from 0); the
-- others are recorded. Rows are written in key order, so that writers wait for one another and never deadlock.
drop function public.record_events;
create function public.record_events(
  p_workspace_id uuid,
  p_created_at timestamptz,
  p_ids uuid[],
  p_timestamps timestamptz[],
  p_user_ids uuid[],
  p_api_key_ids uuid[],
  p_reservation_ids uuid[],
  p_latencies_ms double precision[],
  p_input_tokens integer[],
  p_cache_read_tokens integer[],
  p_cache_write_5m_tokens integer[],
  p_cache_write_1h_tokens integer[],
  p_output_tokens integer[],
  p_reasoning_tokens integer[],
  p_costs numeric[],
  p_pricings text[],
  p_providers text[],
  p_models text[],
  p_projects text[],
  p_statuses text[],
  p_error_messages text[],
  p_tags text[],
  p_metadata text[],
  p_usage_details text[]
) returns jsonb
language plpgsql security invoker set search_path = ''
-- Planning the statement anew costs a small batch more than running it, and no plan of it depends on the values.
set plan_cache_mode = force_generic_plan
as $$
declare
  v_recorded uuid[];
  v_positions bigint[];
begin
  perform public.lock_totals(p_workspace_id, false);
  with recorded as (
    insert into public.events
    select p_workspace_id, g.id, g."timestamp", p_created_at, g.user_id, g.latency_ms, g.input_tokens,
      g.cache_read_tokens, g.cache_write_5m_tokens, g.cache_write_1h_tokens, g.output_tokens, g.reasoning_tokens,
      g.cost, g.pricing, g.provider, g.model, g.project, g.status, g.error_message, g.tags::jsonb, g.metadata::jsonb,
      g.usage_detail::jsonb, g.api_key_id
    from unnest(
      p_ids, p_timestamps, p_user_ids, p_api_key_ids, p_latencies_ms, p_input_tokens, p_cache_read_tokens, p_cache_write_5m_tokens,
      p_cache_write_1h_tokens, p_output_tokens, p_reasoning_tokens, p_costs, p_pricings, p_providers, p_models,
      p_projects, p_statuses, p_error_messages, p_tags, p_metadata, p_usage_details
    ) with ordinality as g (
      id, "timestamp", user_id, api_key_id, latency_ms, input_tokens, cache_read_tokens, cache_write_5m_tokens,
      cache_write_1h_tokens, output_tokens, reasoning_tokens, cost, pricing, provider, model,
      project, status, error_message, tags, metadata, usage_detail, position
    )
    order by g.id, g.position
    on conflict do nothing
    returning *, public.spend_bucket("timestamp") as bucket
  ),
  cells as (
    select r.bucket, r.project, r.provider, r.model,
      public.latency_bucket(r.latency_ms) as latency_bucket,
      count(*) as calls,
      count(*) filter (where r.status <> 'success') as errors,
      count(*) filter (where r.cost is null) as unpriced_calls,
      sum(r.input_tokens) as input_tokens,
      sum(r.cache_read_tokens) as cache_read_tokens,
      sum(r.cache_write_5m_tokens) as cache_write_5m_tokens,
      sum(r.cache_write_1h_tokens) as cache_write_1h_tokens,
      sum(r.output_tokens) as output_tokens,
      sum(r.reasoning_tokens) as reasoning_tokens,
      coalesce(sum(r.cost), 0) as cost,
      coalesce(sum(r.cost) filter (where r.status <> 'success'), 0) as error_cost,
      coalesce(sum(r.latency_ms::numeric), 0) as latency_ms_sum
    from recorded r
    group by 1, 2, 3, 4, 5
  ),
  hourly as (
    insert into public.spend_hourly as h
    select p_workspace_id, c.bucket, c.project, c.provider, c.model, sum(c.calls), sum(c.errors),
      sum(c.unpriced_calls), sum(c.input_tokens), sum(c.cache_read_tokens), sum(c.cache_write_5m_tokens),
      sum(c.cache_write_1h_tokens), sum(c.output_tokens), sum(c.reasoning_tokens), sum(c.cost), sum(c.error_cost),
      sum(c.latency_ms_sum),
      coalesce(jsonb_object_agg(c.latency_bucket, c.calls) filter (where c.latency_bucket is not null), '{}')
    from cells c
    group by c.bucket, c.project, c.provider, c.model
    order by c.bucket, c.project, c.provider, c.model
    on conflict (workspace_id, bucket, project, provider, model) do update set
      calls = h.calls + excluded.calls,
      errors = h.errors + excluded.errors,
      unpriced_calls = h.unpriced_calls + excluded.unpriced_calls,
      input_tokens = h.input_tokens + excluded.input_tokens,
      cache_read_tokens = h.cache_read_tokens + excluded.cache_read_tokens,
      cache_write_5m_tokens = h.cache_write_5m_tokens + excluded.cache_write_5m_tokens,
      cache_write_1h_tokens = h.cache_write_1h_tokens + excluded.cache_write_1h_tokens,
      output_tokens = h.output_tokens + excluded.output_tokens,
      reasoning_tokens = h.reasoning_tokens + excluded.reasoning_tokens,
      cost = h.cost + excluded.cost,
      error_cost = h.error_cost + excluded.error_cost,
      latency_ms_sum = h.latency_ms_sum + excluded.latency_ms_sum,
      latency = public.add_counts(h.latency, excluded.latency)
  ),
  daily as (
    insert into public.spend_daily as d
    select p_workspace_id, public.utc_day(c.bucket) as day, c.project, c.provider, c.model, sum(c.calls),
      sum(c.unpriced_calls),
      sum(c.input_tokens + c.cache_read_tokens + c.cache_write_5m_tokens + c.cache_write_1h_tokens
        + c.output_tokens),
      sum(c.cost)
    from cells c
    group by day, c.project, c.provider, c.model
    order by day, c.project, c.provider, c.model
    on conflict (workspace_id, day, project, provider, model) do update set
      calls = d.calls + excluded.calls,
      unpriced_calls = d.unpriced_calls + excluded.unpriced_calls,
      total_tokens = d.total_tokens + excluded.total_tokens,
      cost = d.cost + excluded.cost
  ),
  tagged as (
    insert into public.spend_by_tag as t
    select p_workspace_id, tag.key, r.bucket, tag.value, count(*),
      count(*) filter (where r.cost is null),
      sum(r.input_tokens::bigint + r.cache_read_tokens + r.cache_write_5m_tokens + r.cache_write_1h_tokens
        + r.output_tokens),
      coalesce(sum(r.cost), 0)
    from recorded r
    cross join lateral jsonb_each_text(r.tags) as tag (key, value)
    where r.tags is not null
    group by tag.key, r.bucket, tag.value
    order by tag.key, r.bucket, tag.value
    on conflict (workspace_id, key, bucket, value) do update set
      calls = t.calls + excluded.calls,
      unpriced_calls = t.unpriced_calls + excluded.unpriced_calls,
      total_tokens = t.total_tokens + excluded.total_tokens,
      cost = t.cost + excluded.cost
  )
  select array_agg(r.id) into v_recorded from recorded r;

  -- Most writers have nothing to do with what follows, and do not pay for it.
  if exists (select from public.budgets b where b.workspace_id = p_workspace_id) then
    perform public.count_against_budgets(p_workspace_id, v_recorded, p_created_at);
  end if;
  if array_position(p_costs, null) is not null then
    insert into public.alerts (workspace_id, id, kind, subject, created_at)
    select p_workspace_id, gen_random_uuid(), 'unpriced_model', u.name, p_created_at
    from (
      select distinct e.provider || '/' || e.model as name
      from public.events e
      where e.workspace_id = p_workspace_id and e.id = any (v_recorded) and e.cost is null
    ) u
    order by u.name
    on conflict do nothing;
  end if;
  if array_remove(p_reservation_ids, null) <> '{}' then
    delete from public.reservations s
    using unnest(p_ids, p_reservation_ids) as g (id, reservation_id)
    where s.workspace_id = p_workspace_id and s.id = g.reservation_id and g.id = any (v_recorded);
  end if;

  if cardinality(v_recorded) = cardinality(p_ids) then
    return '[]'::jsonb;
  end if;

  -- A position is a duplicate when its event was there before, or stands earlier in the same arrays. A second
  -- statement, because only a new snapshot sees what a concurrent writer has just committed.
  select array_agg(g.position) into v_positions
  from (
    select u.id, u.position, row_number() over (partition by u.id order by u.position) as occurrence
    from unnest(p_ids) with ordinality as u (id, position)
  ) g
  where g.occurrence > 1 or g.id <> all (coalesce(v_recorded, '{}'));
  return (
    select jsonb_agg(jsonb_build_object('position', d.position - 1, 'event', public.event_json(e, p.name))
                     order by d.position)
    from unnest(v_positions) as d (position)
    join public.events e on e.workspace_id = p_workspace_id and e.id = p_ids[d.position]
    left join public.projects p on p.workspace_id = e.workspace_id and p.key = e.project
  );
end
$$;
revoke all on function public.record_events from public, anon, authenticated;
grant execute on function public.record_events to service_role;


-- Every budget with the spend and the holds of the period that p_now falls in, and the totals. One if p_budget_id names it.
create or replace function public.budget_list(
  p_workspace_id uuid,
  p_budget_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    with current as (
      select b.*, s.period_start, public.period_end(b, s.period_start) as period_end,
        coalesce(p.spend, 0) as spend, coalesce(p.unpriced_calls, 0) as unpriced_calls, h.reserved, j.name as project,
        b."limit" - coalesce(p.spend, 0) - h.reserved as remaining
      from public.budgets b
      cross join lateral (select public.period_start(b, p_now) as period_start) s
      left join public.budget_periods p
        on p.workspace_id = p_workspace_id and p.budget_id = b.id and p.period_start = s.period_start
      cross join lateral (
        select coalesce(sum(h.amount), 0) as reserved
        from public.holds h
        where h.workspace_id = p_workspace_id and h.budget_id = b.id and h.period_start = s.period_start
          and h.expires_at > p_now
      ) h
      left join public.projects j on j.workspace_id = p_workspace_id and j.key = b.project_key
      where b.workspace_id = p_workspace_id and (p_budget_id is null or b.id = p_budget_id)
    )
    select jsonb_build_object(
      'budgets', coalesce(jsonb_agg(jsonb_build_object(
        'id', c.id, 'user_id', c.user_id, 'name', c.name, 'limit', c."limit"::text, 'period', c.period,
        'starts_on', c.starts_on, 'days', c.days,
        'scope', jsonb_strip_nulls(jsonb_build_object(
          'project', c.project, 'provider', c.provider, 'model', c.model, 'tag', c.tag_key || '=' || c.tag_value,
          'api_key', c.api_key_id)),
        'hard', c.hard, 'thresholds', c.thresholds, 'tz', c.tz,
        'current_spend', c.spend::text, 'reserved', c.reserved::text, 'remaining', c.remaining::text,
        'percentage_used', round(100 * c.spend / c."limit", 2),
        'status', case
          when c.spend >= c."limit" then 'exceeded'
          when c.spend >= 0.8 * c."limit" then 'warning'
          else 'ok' end,
        'unpriced_calls', c.unpriced_calls,
        'period_start', c.period_start, 'period_end', c.period_end,
        'created_at', c.created_at, 'updated_at', c.updated_at) order by c.created_at, c.id), '[]'),
      'total_limits', coalesce(sum(c."limit"), 0)::text,
      'total_spend', coalesce(sum(c.spend), 0)::text)
    from current c
  );
end
$$;


-- Sets the budget of a scope and period; an existing one keeps its id. Its periods are counted anew, for its time zone
-- may have changed, and a threshold that the current period has crossed already makes its alert. Answers as budget_list
-- does, for it alone.
drop function public.budget_set;
create function public.budget_set(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_budget_id uuid,
  p_user_id uuid,
  p_name text,
  p_limit numeric,
  p_period text,
  p_starts_on date,
  p_days integer,
  p_project text,
  p_provider text,
  p_model text,
  p_model_like text,
  p_tag_key text,
  p_tag_value text,
  p_api_key_id uuid,
  p_hard boolean,
  p_thresholds numeric[],
  p_tz text,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_project text := public.project_key(p_workspace_id, p_project);
  v_scope jsonb;
  v_budget public.budgets;
begin
  perform public.lock_totals(p_workspace_id, true);
  if p_project is not null and v_project is null then
    raise exception 'Project not found' using errcode = 'PT404';
  end if;
  if p_api_key_id is not null and not exists (
      select from public.api_keys k where k.workspace_id = p_workspace_id and k.id = p_api_key_id) then
    raise exception 'API key not found' using errcode = 'PT404';
  end if;
  v_scope := jsonb_strip_nulls(jsonb_build_object(
    'project', v_project, 'provider', p_provider, 'model', p_model_like, 'tag_key', p_tag_key,
    'tag_value', p_tag_value, 'api_key', p_api_key_id));
  insert into public.budgets as b
    (workspace_id, id, user_id, name, "limit", period, starts_on, days, scope, project_key, provider, model,
     model_like, tag_key, tag_value, api_key_id, hard, thresholds, tz, created_at, updated_at)
  values
    (p_workspace_id, p_budget_id, p_user_id, p_name, p_limit, p_period, p_starts_on, p_days, v_scope, v_project,
     p_provider, p_model, p_model_like, p_tag_key, p_tag_value, p_api_key_id, p_hard, p_thresholds, p_tz, p_now, p_now)
  on conflict (workspace_id, scope, period) do update set
    name = excluded.name, "limit" = excluded."limit", starts_on = excluded.starts_on, days = excluded.days,
    model = excluded.model, hard = excluded.hard, thresholds = excluded.thresholds, tz = excluded.tz,
    updated_at = excluded.updated_at
  returning * into v_budget;
  if (select count(*) from public.budgets b where b.workspace_id = p_workspace_id) > 1000 then
    raise exception 'A workspace has at most 1,000 budgets' using errcode = 'PT409';
  end if;
  delete from public.budget_periods where workspace_id = p_workspace_id and budget_id = v_budget.id;
  insert into public.budget_periods
  select * from public.budget_periods_recount where workspace_id = p_workspace_id and budget_id = v_budget.id;
  insert into public.alerts
    (workspace_id, id, kind, subject, budget_id, period_start, threshold, spend, created_at)
  select p_workspace_id, gen_random_uuid(), 'budget', p_name, v_budget.id, p.period_start, t.threshold, p.spend, p_now
  from public.budget_periods p
  cross join lateral unnest(p_thresholds) as t (threshold)
  where p.workspace_id = p_workspace_id and p.budget_id = v_budget.id
    and p.period_start = public.period_start(v_budget, p_now) and p.spend >= p_limit * t.threshold / 100
  order by t.threshold
  on conflict do nothing;
  perform public.note(
    p_workspace_id, p_actor_id, 'budget.set', p_name,
    jsonb_build_object('id', v_budget.id, 'limit', p_limit::text, 'period', p_period, 'scope', v_scope, 'hard', p_hard,
                       'thresholds', p_thresholds, 'tz', p_tz), p_now);
  return public.budget_list(p_workspace_id, v_budget.id, p_now);
end
$$;
revoke all on function public.budget_set from public, anon, authenticated;
grant execute on function public.budget_set to service_role;


-- The budgets that count a call, with what is left of each in the period that p_now falls in, the tightest first.
create function public.budgets_of_call(
  p_workspace_id uuid,
  p_provider text,
  p_model text,
  p_project text,
  p_tags text,
  p_api_key_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', m.id, 'name', m.name, 'hard', m.hard, 'limit', m."limit"::text, 'current_spend', m.spend::text,
      'reserved', m.reserved::text, 'remaining', m.remaining::text, 'period_start', m.period_start,
      'period_end', m.period_end) order by m.remaining, m.id), '[]')
    from (
      select b.id, b.name, b.hard, b."limit", s.period_start, public.period_end(b, s.period_start) as period_end,
        coalesce(p.spend, 0) as spend, h.reserved, b."limit" - coalesce(p.spend, 0) - h.reserved as remaining
      from public.budgets b
      cross join lateral (select public.period_start(b, p_now) as period_start) s
      left join public.budget_periods p
        on p.workspace_id = p_workspace_id and p.budget_id = b.id and p.period_start = s.period_start
      cross join lateral (
        select coalesce(sum(h.amount), 0) as reserved
        from public.holds h
        where h.workspace_id = p_workspace_id and h.budget_id = b.id and h.period_start = s.period_start
          and h.expires_at > p_now
      ) h
      where b.workspace_id = p_workspace_id
        and (b.project_key is null or b.project_key = p_project)
        and (b.provider is null or b.provider = p_provider)
        and (b.model_like is null or p_model ilike b.model_like)
        and (b.tag_key is null or p_tags::jsonb ->> b.tag_key = b.tag_value)
        and (b.api_key_id is null or b.api_key_id = p_api_key_id)
    ) m
  );
end
$$;
revoke all on function public.budgets_of_call from public, anon, authenticated;
grant execute on function public.budgets_of_call to service_role;


-- Holds an amount on every hard budget that counts the call, or on none. Answers with the first of them that has too
-- little left, as budgets_of_call does, or null when all have enough.
create function public.reserve(
  p_workspace_id uuid,
  p_reservation_id uuid,
  p_user_id uuid,
  p_provider text,
  p_model text,
  p_project text,
  p_tags text,
  p_api_key_id uuid,
  p_amount numeric,
  p_pricing text,
  p_now timestamptz,
  p_expires_at timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_budgets jsonb;
  v_short jsonb;
begin
  -- Who reserves on the same hard budgets takes turns; what stands below sees what those before have held.
  perform from public.budgets b where b.workspace_id = p_workspace_id and b.hard order by b.id for no key update;
  delete from public.reservations r where r.workspace_id = p_workspace_id and r.expires_at <= p_now;
  v_budgets := public.budgets_of_call(p_workspace_id, p_provider, p_model, p_project, p_tags, p_api_key_id, p_now);
  select b.value into v_short
  from jsonb_array_elements(v_budgets) b
  where (b.value ->> 'hard')::boolean and (b.value ->> 'remaining')::numeric < p_amount
  limit 1;
  if v_short is not null then
    return v_short;
  end if;
  insert into public.reservations
    (workspace_id, id, provider, model, amount, pricing, created_by, created_at, expires_at)
  values
    (p_workspace_id, p_reservation_id, p_provider, p_model, p_amount, p_pricing, p_user_id, p_now, p_expires_at);
  insert into public.holds (workspace_id, budget_id, reservation_id, period_start, amount, expires_at)
  select p_workspace_id, (b.value ->> 'id')::uuid, p_reservation_id, (b.value ->> 'period_start')::timestamptz, p_amount,
    p_expires_at
  from jsonb_array_elements(v_budgets) b
  where (b.value ->> 'hard')::boolean;
  return null;
end
$$;
revoke all on function public.reserve from public, anon, authenticated;
grant execute on function public.reserve to service_role;


-- Gives back what a reservation holds; false when it is not there any more.
create function public.reservation_release(
  p_workspace_id uuid,
  p_reservation_id uuid,
  p_now timestamptz
) returns boolean
language plpgsql security invoker set search_path = ''
as $$
begin
  delete from public.reservations r
  where r.workspace_id = p_workspace_id and r.id = p_reservation_id and r.expires_at > p_now;
  return found;
end
$$;
revoke all on function public.reservation_release from public, anon, authenticated;
grant execute on function public.reservation_release to service_role;
