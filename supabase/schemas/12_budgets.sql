-- Budgets: how much may be spent, and what each period has spent.

create table public.budgets (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  user_id uuid not null,
  name text not null,
  "limit" numeric not null check ("limit" > 0),
  period text not null check (period in ('daily', 'weekly', 'monthly', 'quarterly', 'yearly', 'custom')),
  -- The columns below that limit the scope, as one value that identifies it; {} is the whole workspace.
  scope jsonb not null,
  hard boolean not null,
  thresholds numeric[] not null,
  tz text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  -- The scope: a call must match every part that is not null.
  project_key text,
  provider text,
  -- The pattern as given, with * for anything, and the same pattern for ilike.
  model text,
  model_like text,
  tag_key text,
  tag_value text,
  api_key_id uuid,
  -- A custom period repeats: this many days, counted from the start of this day.
  starts_on date,
  days integer check (days > 0),
  primary key (workspace_id, id),
  -- One budget per scope and period: setting it again changes it.
  unique (workspace_id, scope, period),
  check ((period = 'custom') = (starts_on is not null and days is not null))
);
alter table public.budgets alter column workspace_id set statistics 0;
alter table public.budgets enable row level security;

-- The spend of each period of a budget: a counter kept by record_events, so that reading it takes the same time however
-- many events there are. A period without calls has no row.
create table public.budget_periods (
  workspace_id uuid not null,
  budget_id uuid not null,
  period_start timestamptz not null,
  spend numeric not null,
  unpriced_calls bigint not null,
  primary key (workspace_id, budget_id, period_start),
  foreign key (workspace_id, budget_id) references public.budgets on delete cascade
)
with (fillfactor = 70);
alter table public.budget_periods alter column workspace_id set statistics 0;
alter table public.budget_periods enable row level security;

-- The calls of a budget's period that an application made without a reservation, because LLMLab did not answer. A
-- counter kept by record_events; it is not part of the recount.
create table public.unchecked_calls (
  workspace_id uuid not null,
  budget_id uuid not null,
  period_start timestamptz not null,
  calls bigint not null,
  primary key (workspace_id, budget_id, period_start),
  foreign key (workspace_id, budget_id) references public.budgets on delete cascade
);
alter table public.unchecked_calls alter column workspace_id set statistics 0;
alter table public.unchecked_calls enable row level security;


-- The calendar unit of a period, for date_trunc.
create function llmlab_private.period_unit(
  p_period text
) returns text
language sql immutable parallel safe
return case p_period
  when 'daily' then 'day' when 'weekly' then 'week' when 'monthly' then 'month'
  when 'quarterly' then 'quarter' when 'yearly' then 'year' end;


-- The start of the budget period that includes a time, in the budget's time zone.
create function llmlab_private.period_start(
  p_period text,
  p_starts_on date,
  p_days integer,
  p_tz text,
  p_time timestamptz
) returns timestamptz
language sql stable parallel safe
return case p_period
  when 'custom' then (
    p_starts_on
    + floor(((p_time at time zone p_tz)::date - p_starts_on)::numeric / p_days)::integer
      * p_days)::timestamp
  else date_trunc(llmlab_private.period_unit(p_period), p_time at time zone p_tz)
  end at time zone p_tz;


-- The end of the budget period that starts at p_start.
create function llmlab_private.period_end(
  p_period text,
  p_days integer,
  p_tz text,
  p_start timestamptz
) returns timestamptz
language sql stable parallel safe
return (p_start at time zone p_tz
  + case p_period
      when 'custom' then p_days * interval '1 day'
      when 'quarterly' then interval '3 months'
      else ('1 ' || llmlab_private.period_unit(p_period))::interval end) at time zone p_tz;


-- Whether a budget's spend can only be counted from the events: the rollups hold neither API keys nor combinations of a
-- tag with anything else.
create function llmlab_private.is_counted_by_event(
  p_project_key text,
  p_provider text,
  p_model_like text,
  p_tag_key text,
  p_api_key_id uuid
) returns boolean
language sql immutable parallel safe
return p_api_key_id is not null or (
  p_tag_key is not null
  and (p_project_key is not null or p_provider is not null or p_model_like is not null));


-- The rows that budget_periods should hold, except for the periods of budgets counted from events that start before the
-- events do. Every midnight starts a bucket, so a bucket lies within one period.
create view llmlab_private.budget_periods_recount with (security_invoker = true) as
select c.workspace_id, c.budget_id, c.period_start, sum(c.cost) as spend,
  sum(c.unpriced_calls)::bigint as unpriced_calls
from (
  select b.workspace_id, b.id as budget_id,
    llmlab_private.period_start(b.period, b.starts_on, b.days, b.tz, s.bucket) as period_start, s.cost, s.unpriced_calls
  from public.budgets b
  join public.spend_hourly s on s.workspace_id = b.workspace_id
    and (b.project_key is null or s.project = b.project_key)
    and (b.provider is null or s.provider = b.provider)
    and (b.model_like is null or s.model ilike b.model_like)
  where b.tag_key is null and not llmlab_private.is_counted_by_event(
    b.project_key, b.provider, b.model_like, b.tag_key, b.api_key_id)
  union all
  select b.workspace_id, b.id, llmlab_private.period_start(b.period, b.starts_on, b.days, b.tz, t.bucket), t.cost,
    t.unpriced_calls
  from public.budgets b
  join public.spend_by_tag t on t.workspace_id = b.workspace_id and t.key = b.tag_key and t.value = b.tag_value
  where b.tag_key is not null and not llmlab_private.is_counted_by_event(
    b.project_key, b.provider, b.model_like, b.tag_key, b.api_key_id)
  union all
  select b.workspace_id, b.id, llmlab_private.period_start(b.period, b.starts_on, b.days, b.tz, e."timestamp"),
    coalesce(e.cost, 0), (e.cost is null)::integer
  from public.budgets b
  join public.events e on e.workspace_id = b.workspace_id
    and (b.project_key is null or e.project = b.project_key)
    and (b.provider is null or e.provider = b.provider)
    and (b.model_like is null or e.model ilike b.model_like)
    and (b.tag_key is null or e.tags ->> b.tag_key = b.tag_value)
    and (b.api_key_id is null or e.api_key_id = b.api_key_id)
  where llmlab_private.is_counted_by_event(b.project_key, b.provider, b.model_like, b.tag_key, b.api_key_id)
) c
group by 1, 2, 3;


-- Adds events to the periods of the budgets that include them and takes others out, and creates an alert for each
-- threshold that an added event crosses.
create function llmlab_private.count_against_budgets(
  p_workspace_id uuid,
  p_added public.events[],
  p_removed public.events[],
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
declare
  v_alerts uuid[];
begin
  with changed as (
    select 1 as sign, a.*, llmlab_private.spend_bucket(a."timestamp") as bucket from unnest(p_added) a
    union all
    select -1, a.*, llmlab_private.spend_bucket(a."timestamp") from unnest(p_removed) a
  ),
  cells as (
    select c.bucket, c.project, c.provider, c.model, coalesce(sum(c.sign * c.cost), 0) as cost,
      coalesce(sum(c.sign) filter (where c.cost is null), 0) as unpriced_calls
    from changed c
    group by 1, 2, 3, 4
  ),
  budgeted as (
    insert into public.budget_periods as p
    select p_workspace_id, m.budget_id, m.period_start, sum(m.cost), sum(m.unpriced_calls)
    from (
      select b.id as budget_id,
        llmlab_private.period_start(b.period, b.starts_on, b.days, b.tz, c.bucket) as period_start, c.cost,
        c.unpriced_calls
      from public.budgets b
      join cells c on (b.project_key is null or c.project = b.project_key)
        and (b.provider is null or c.provider = b.provider)
        and (b.model_like is null or c.model ilike b.model_like)
      where b.workspace_id = p_workspace_id and b.tag_key is null and b.api_key_id is null
      union all
      select b.id, llmlab_private.period_start(b.period, b.starts_on, b.days, b.tz, c.bucket),
        c.sign * coalesce(c.cost, 0), c.sign * (c.cost is null)::integer
      from public.budgets b
      join changed c on (b.project_key is null or c.project = b.project_key)
        and (b.provider is null or c.provider = b.provider)
        and (b.model_like is null or c.model ilike b.model_like)
        and (b.tag_key is null or c.tags ->> b.tag_key = b.tag_value)
        and (b.api_key_id is null or c.api_key_id = b.api_key_id)
      where b.workspace_id = p_workspace_id and (b.tag_key is not null or b.api_key_id is not null)
    ) m
    group by m.budget_id, m.period_start
    order by m.budget_id, m.period_start
    on conflict (workspace_id, budget_id, period_start) do update set
      spend = p.spend + excluded.spend,
      unpriced_calls = p.unpriced_calls + excluded.unpriced_calls
    returning p.budget_id, p.period_start, p.spend
  ),
  alerts as (
    insert into public.alerts
      (workspace_id, id, kind, subject, budget_id, period_start, threshold, spend, created_at)
    select p_workspace_id, gen_random_uuid(), 'budget', b.name, b.id, s.period_start, t.threshold, s.spend, p_now
    from budgeted s
    join public.budgets b on b.workspace_id = p_workspace_id and b.id = s.budget_id
    cross join lateral unnest(b.thresholds) as t (threshold)
    where s.spend >= b."limit" * t.threshold / 100
    order by b.id, s.period_start, t.threshold
    on conflict do nothing
    returning id
  )
  select array_agg(a.id) into v_alerts from alerts a;
  if v_alerts is not null then
    perform llmlab_private.queue_deliveries(p_workspace_id, v_alerts, p_now);
  end if;
end
$$;


-- The budgets with the spend and the holds of the period that includes p_now, and the totals; only one when p_budget_id
-- names it.
create function public.budget_list(
  p_workspace_id uuid,
  p_budget_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    with current as (
      select b.*, s.period_start, llmlab_private.period_end(b.period, b.days, b.tz, s.period_start) as period_end,
        coalesce(p.spend, 0) as spend, coalesce(p.unpriced_calls, 0) as unpriced_calls, h.reserved,
        (select j.name from public.projects j where j.workspace_id = p_workspace_id and j.key = b.project_key)
          as project,
        b."limit" - coalesce(p.spend, 0) - h.reserved as remaining,
        coalesce((
          select u.calls
          from public.unchecked_calls u
          where u.workspace_id = p_workspace_id and u.budget_id = b.id and u.period_start = s.period_start
        ), 0) as unchecked_calls
      from public.budgets b
      cross join lateral (
        select llmlab_private.period_start(b.period, b.starts_on, b.days, b.tz, p_now) as period_start
      ) s
      left join lateral (
        select p.spend, p.unpriced_calls
        from public.budget_periods p
        where p.workspace_id = p_workspace_id and p.budget_id = b.id and p.period_start = s.period_start
        limit 1
      ) p on true
      cross join lateral (
        select coalesce(sum(h.amount), 0) as reserved
        from public.holds h
        where h.workspace_id = p_workspace_id and h.budget_id = b.id and h.expires_at > p_now
      ) h
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
        'unpriced_calls', c.unpriced_calls, 'unchecked_calls', c.unchecked_calls,
        'period_start', c.period_start, 'period_end', c.period_end,
        'created_at', c.created_at, 'updated_at', c.updated_at) order by c.created_at, c.id), '[]'),
      'total_limits', coalesce(sum(c."limit"), 0)::text,
      'total_spend', coalesce(sum(c.spend), 0)::text)
    from current c
  );
end
$$;


-- Sets the budget of a scope and period; an existing one keeps its id. Its periods are recounted, because its time zone
-- may have changed, and a threshold that the current period has already crossed creates its alert. Answers as
-- budget_list does, with this budget only.
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
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
declare
  v_project text := llmlab_private.project_key(p_workspace_id, p_project);
  v_scope jsonb;
  v_before public.budgets;
  v_budget public.budgets;
  v_kept timestamptz := '-infinity';
  v_alerts uuid[];
begin
  perform llmlab_private.lock_totals(p_workspace_id, true);
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
  select * into v_before
  from public.budgets b
  where b.workspace_id = p_workspace_id and b.scope = v_scope and b.period = p_period;
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
  if llmlab_private.is_counted_by_event(
        v_budget.project_key, v_budget.provider, v_budget.model_like, v_budget.tag_key, v_budget.api_key_id)
      and (v_before.tz, v_before.starts_on, v_before.days)
        is not distinct from (v_budget.tz, v_budget.starts_on, v_budget.days) then
    -- The same periods as before: those whose events were deleted keep their spend.
    select coalesce(w.events_since, '-infinity') into v_kept from public.workspaces w where w.id = p_workspace_id;
  end if;
  delete from public.budget_periods p
  where p.workspace_id = p_workspace_id and p.budget_id = v_budget.id and p.period_start >= v_kept;
  insert into public.budget_periods
  select *
  from llmlab_private.budget_periods_recount r
  where r.workspace_id = p_workspace_id and r.budget_id = v_budget.id and r.period_start >= v_kept;
  with alerts as (
    insert into public.alerts
      (workspace_id, id, kind, subject, budget_id, period_start, threshold, spend, created_at)
    select p_workspace_id, gen_random_uuid(), 'budget', p_name, v_budget.id, p.period_start, t.threshold, p.spend, p_now
    from public.budget_periods p
    cross join lateral unnest(p_thresholds) as t (threshold)
    where p.workspace_id = p_workspace_id and p.budget_id = v_budget.id
      and p.period_start = llmlab_private.period_start(p_period, p_starts_on, p_days, p_tz, p_now)
      and p.spend >= p_limit * t.threshold / 100
    order by t.threshold
    on conflict do nothing
    returning id
  )
  select array_agg(a.id) into v_alerts from alerts a;
  if v_alerts is not null then
    perform llmlab_private.queue_deliveries(p_workspace_id, v_alerts, p_now);
  end if;
  perform llmlab_private.audit_write(
    p_workspace_id, p_actor_id, 'budget.set', p_name,
    jsonb_build_object('id', v_budget.id, 'limit', p_limit::text, 'period', p_period, 'scope', v_scope, 'hard', p_hard,
                       'thresholds', p_thresholds, 'tz', p_tz), p_now);
  return public.budget_list(p_workspace_id, v_budget.id, p_now);
end
$$;


-- Deletes one budget; false when this workspace has none with this id.
create function public.budget_delete(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_budget_id uuid,
  p_now timestamptz
) returns boolean
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
declare
  v_name text;
begin
  delete from public.budgets b where b.workspace_id = p_workspace_id and b.id = p_budget_id
  returning b.name into v_name;
  if not found then
    return false;
  end if;
  perform llmlab_private.audit_write(
    p_workspace_id, p_actor_id, 'budget.deleted', v_name, jsonb_build_object('id', p_budget_id), p_now);
  return true;
end
$$;


-- The budgets that include a call, with what remains of each in the period that includes p_now, the least remaining
-- first.
create function public.budgets_of_call(
  p_workspace_id uuid,
  p_provider text,
  p_model text,
  p_project text,
  p_tags text,
  p_api_key_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '5s'
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', m.id, 'name', m.name, 'hard', m.hard, 'limit', m."limit"::text, 'current_spend', m.spend::text,
      'reserved', m.reserved::text, 'remaining', m.remaining::text, 'period_start', m.period_start,
      'period_end', m.period_end) order by m.remaining, m.id), '[]')
    from (
      select b.id, b.name, b.hard, b."limit", s.period_start,
        llmlab_private.period_end(b.period, b.days, b.tz, s.period_start) as period_end,
        coalesce(p.spend, 0) as spend, h.reserved, b."limit" - coalesce(p.spend, 0) - h.reserved as remaining
      from public.budgets b
      cross join lateral (
        select llmlab_private.period_start(b.period, b.starts_on, b.days, b.tz, p_now) as period_start
      ) s
      left join lateral (
        select p.spend, p.unpriced_calls
        from public.budget_periods p
        where p.workspace_id = p_workspace_id and p.budget_id = b.id and p.period_start = s.period_start
        limit 1
      ) p on true
      cross join lateral (
        select coalesce(sum(h.amount), 0) as reserved
        from public.holds h
        where h.workspace_id = p_workspace_id and h.budget_id = b.id and h.expires_at > p_now
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


-- The three models with the highest cost in a budget's scope in its period from p_start. Like budget_periods_recount,
-- it counts budgets with tags or API keys from the events.
create function public.budget_contributors(
  p_workspace_id uuid,
  p_budget_id uuid,
  p_start timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '5s'
-- With the dates of the period, the planner could conclude from other workspaces that it includes all events.
set plan_cache_mode = force_generic_plan
as $$
declare
  v_budget public.budgets;
  v_end timestamptz;
begin
  select * into v_budget from public.budgets b where b.workspace_id = p_workspace_id and b.id = p_budget_id;
  v_end := llmlab_private.period_end(v_budget.period, v_budget.days, v_budget.tz, p_start);
  if v_budget.tag_key is null and v_budget.api_key_id is null then
    return (
      select coalesce(jsonb_agg(jsonb_build_object('provider', m.provider, 'model', m.model, 'cost', m.cost::text)
                                order by m.cost desc, m.provider, m.model), '[]')
      from (
        select s.provider, s.model, sum(s.cost) as cost
        from public.spend_hourly s
        where s.workspace_id = p_workspace_id and s.bucket >= p_start and s.bucket < v_end
          and (v_budget.project_key is null or s.project = v_budget.project_key)
          and (v_budget.provider is null or s.provider = v_budget.provider)
          and (v_budget.model_like is null or s.model ilike v_budget.model_like)
        group by s.provider, s.model
        having sum(s.cost) > 0
        order by sum(s.cost) desc, s.provider, s.model
        limit 3
      ) m
    );
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('provider', m.provider, 'model', m.model, 'cost', m.cost::text)
                              order by m.cost desc, m.provider, m.model), '[]')
    from (
      select e.provider, e.model, sum(e.cost) as cost
      from public.events e
      where e.workspace_id = p_workspace_id and e."timestamp" >= p_start and e."timestamp" < v_end
        and (v_budget.project_key is null or e.project = v_budget.project_key)
        and (v_budget.provider is null or e.provider = v_budget.provider)
        and (v_budget.model_like is null or e.model ilike v_budget.model_like)
        and (v_budget.tag_key is null or e.tags ->> v_budget.tag_key = v_budget.tag_value)
        and (v_budget.api_key_id is null or e.api_key_id = v_budget.api_key_id)
      group by e.provider, e.model
      having sum(e.cost) > 0
      order by sum(e.cost) desc, e.provider, e.model
      limit 3
    ) m
  );
end
$$;
