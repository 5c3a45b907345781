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
alter table public.budgets enable row level security;
revoke all on public.budgets from public, anon, authenticated;
grant select, insert, update, delete on public.budgets to service_role;


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
    with periods as (
      select b.*, p.starts at time zone b.tz as period_start, (p.starts + p.length) at time zone b.tz as period_end
      from public.budgets b
      cross join lateral (
        select date_trunc(u.unit, p_now at time zone b.tz) as starts, u.length
        from (values
          ('daily', 'day', interval '1 day'), ('weekly', 'week', interval '1 week'),
          ('monthly', 'month', interval '1 month'), ('quarterly', 'quarter', interval '3 months'),
          ('yearly', 'year', interval '1 year')) as u (period, unit, length)
        where u.period = b.period
      ) p
      where b.workspace_id = p_workspace_id and (p_budget_id is null or b.id = p_budget_id)
    ),
    -- Budgets of the same period share one sum.
    spends as (
      select w.period_start, w.period_end, coalesce(sum(s.cost), 0) as spend,
        coalesce(sum(s.unpriced_calls), 0) as unpriced_calls
      from (select distinct period_start, period_end from periods) w
      left join public.spend_hourly s
        on s.workspace_id = p_workspace_id and s.bucket >= w.period_start and s.bucket < w.period_end
      group by w.period_start, w.period_end
    )
    select jsonb_build_object(
      'budgets', coalesce(jsonb_agg(jsonb_build_object(
        'id', p.id, 'user_id', p.user_id, 'name', p.name, 'limit', p."limit"::text, 'period', p.period,
        'scope', p.scope, 'hard', p.hard, 'thresholds', p.thresholds, 'tz', p.tz,
        'current_spend', s.spend::text, 'reserved', '0', 'remaining', (p."limit" - s.spend)::text,
        'percentage_used', round(100 * s.spend / p."limit", 2),
        'status', case
          when s.spend >= p."limit" then 'exceeded'
          when s.spend >= 0.8 * p."limit" then 'warning'
          else 'ok' end,
        'unpriced_calls', s.unpriced_calls,
        'period_start', p.period_start, 'period_end', p.period_end,
        'created_at', p.created_at, 'updated_at', p.updated_at) order by p.created_at, p.id), '[]'),
      'total_limits', coalesce(sum(p."limit"), 0)::text,
      'total_spend', coalesce(sum(s.spend), 0)::text)
    from periods p
    join spends s using (period_start, period_end)
  );
end
$$;
revoke all on function public.budget_list from public, anon, authenticated;
grant execute on function public.budget_list to service_role;


-- Sets the budget of a scope and period; an existing one keeps its id. Answers as budget_list does, for it alone.
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
  insert into public.budgets as b
    (workspace_id, id, user_id, name, "limit", period, scope, hard, thresholds, tz, created_at, updated_at)
  values
    (p_workspace_id, p_budget_id, p_user_id, p_name, p_limit, p_period, p_scope::jsonb, p_hard, p_thresholds, p_tz,
     p_now, p_now)
  on conflict (workspace_id, scope, period) do update set
    name = excluded.name, "limit" = excluded."limit", hard = excluded.hard, thresholds = excluded.thresholds,
    tz = excluded.tz, updated_at = excluded.updated_at
  returning b.id into v_id;
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
