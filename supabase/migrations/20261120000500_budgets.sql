-- How much may be spent: budgets, and what each one's current period has spent.

create table public.budgets (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  user_id uuid not null,
  name text not null,
  "limit" numeric not null check ("limit" > 0),
  period text not null check (period in ('daily', 'weekly', 'monthly', 'quarterly', 'yearly')),
  -- Which calls count: {} is the whole workspace.
  scope jsonb not null,
  hard boolean not null,
  thresholds numeric[] not null,
  tz text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (workspace_id, id),
  -- One budget per scope and period: setting it again changes it.
  unique (workspace_id, scope, period)
);

-- What each period of a budget has spent: a counter, kept by record_events, so that asking costs the same however many
-- events there are. A period without calls has no row.
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

alter table public.budgets enable row level security;
alter table public.budget_periods enable row level security;
revoke all on public.budgets, public.budget_periods from public, anon, authenticated;
grant select, insert, update, delete on public.budgets, public.budget_periods to service_role;


-- The calendar unit of a period, for date_trunc.
create function public.period_unit(p_period text) returns text
language sql immutable parallel safe
return case p_period
  when 'daily' then 'day' when 'weekly' then 'week' when 'monthly' then 'month'
  when 'quarterly' then 'quarter' when 'yearly' then 'year' end;
revoke all on function public.period_unit from public, anon, authenticated;
grant execute on function public.period_unit to service_role;


-- When the period began that a moment falls in, by the calendar of a time zone.
create function public.period_start(p_period text, p_tz text, p_time timestamptz) returns timestamptz
language sql stable parallel safe
return date_trunc(public.period_unit(p_period), p_time at time zone p_tz) at time zone p_tz;
revoke all on function public.period_start from public, anon, authenticated;
grant execute on function public.period_start to service_role;


-- What budget_periods must say. Every midnight begins a bucket, so a bucket lies in one period whole.
create view public.budget_periods_recount with (security_invoker = true) as
select b.workspace_id, b.id as budget_id, public.period_start(b.period, b.tz, s.bucket) as period_start,
  sum(s.cost) as spend, sum(s.unpriced_calls)::bigint as unpriced_calls
from public.budgets b
join public.spend_hourly s on s.workspace_id = b.workspace_id
group by 1, 2, 3;
revoke all on public.budget_periods_recount from public, anon, authenticated;
grant select on public.budget_periods_recount to service_role;


-- Every budget with the spend of the period that p_now falls in, and the totals. One budget if p_budget_id names it.
create function public.budget_list(
  p_workspace_id uuid,
  p_budget_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    with current as (
      select b.*, public.period_start(b.period, b.tz, p_now) as period_start,
        (public.period_start(b.period, b.tz, p_now) at time zone b.tz
          + case b.period when 'quarterly' then interval '3 months'
              else ('1 ' || public.period_unit(b.period))::interval end) at time zone b.tz as period_end
      from public.budgets b
      where b.workspace_id = p_workspace_id and (p_budget_id is null or b.id = p_budget_id)
    )
    select jsonb_build_object(
      'budgets', coalesce(jsonb_agg(jsonb_build_object(
        'id', c.id, 'user_id', c.user_id, 'name', c.name, 'limit', c."limit"::text, 'period', c.period,
        'scope', c.scope, 'hard', c.hard, 'thresholds', c.thresholds, 'tz', c.tz,
        'current_spend', s.spend::text, 'reserved', '0', 'remaining', (c."limit" - s.spend)::text,
        'percentage_used', round(100 * s.spend / c."limit", 2),
        'status', case
          when s.spend >= c."limit" then 'exceeded'
          when s.spend >= 0.8 * c."limit" then 'warning'
          else 'ok' end,
        'unpriced_calls', s.unpriced_calls,
        'period_start', c.period_start, 'period_end', c.period_end,
        'created_at', c.created_at, 'updated_at', c.updated_at) order by c.created_at, c.id), '[]'),
      'total_limits', coalesce(sum(c."limit"), 0)::text,
      'total_spend', coalesce(sum(s.spend), 0)::text)
    from current c
    left join public.budget_periods p
      on p.workspace_id = p_workspace_id and p.budget_id = c.id and p.period_start = c.period_start
    cross join lateral (
      select coalesce(p.spend, 0) as spend, coalesce(p.unpriced_calls, 0) as unpriced_calls
    ) s
  );
end
$$;
revoke all on function public.budget_list from public, anon, authenticated;
grant execute on function public.budget_list to service_role;


-- Sets the budget of a scope and period; an existing one keeps its id. Its periods are counted anew, for its time zone
-- may have changed. Answers as budget_list does, for it alone.
create function public.budget_set(
  p_workspace_id uuid,
  p_budget_id uuid,
  p_user_id uuid,
  p_name text,
  p_limit numeric,
  p_period text,
  p_scope text,
  p_hard boolean,
  p_thresholds numeric[],
  p_tz text,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_id uuid;
begin
  perform public.lock_totals(p_workspace_id, true);
  insert into public.budgets as b
    (workspace_id, id, user_id, name, "limit", period, scope, hard, thresholds, tz, created_at, updated_at)
  values
    (p_workspace_id, p_budget_id, p_user_id, p_name, p_limit, p_period, p_scope::jsonb, p_hard, p_thresholds, p_tz,
     p_now, p_now)
  on conflict (workspace_id, scope, period) do update set
    name = excluded.name, "limit" = excluded."limit", hard = excluded.hard, thresholds = excluded.thresholds,
    tz = excluded.tz, updated_at = excluded.updated_at
  returning b.id into v_id;
  delete from public.budget_periods where workspace_id = p_workspace_id and budget_id = v_id;
  insert into public.budget_periods
  select * from public.budget_periods_recount where workspace_id = p_workspace_id and budget_id = v_id;
  return public.budget_list(p_workspace_id, v_id, p_now);
end
$$;
revoke all on function public.budget_set from public, anon, authenticated;
grant execute on function public.budget_set to service_role;


-- Deletes one budget; false when this workspace has none with that id.
create function public.budget_delete(
  p_workspace_id uuid,
  p_budget_id uuid
) returns boolean
language plpgsql security invoker set search_path = ''
as $$
begin
  delete from public.budgets b where b.workspace_id = p_workspace_id and b.id = p_budget_id;
  return found;
end
$$;
revoke all on function public.budget_delete from public, anon, authenticated;
grant execute on function public.budget_delete to service_role;
