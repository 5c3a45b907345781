-- What was spent, where and when: answers from the rollups. Ranges are half open, [p_start, p_end), and days are those of
-- the time zone p_tz. Money travels as text.

-- The totals of a range in the fewest rows: whole UTC days from spend_daily, what is left at both ends from
-- spend_hourly. Without p_whole_days all of it from spend_hourly, for answers that cut days in another time zone.
create function public.spend_cells(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_whole_days boolean
) returns table (
  "at" timestamptz,
  project text,
  provider text,
  model text,
  calls bigint,
  unpriced_calls bigint,
  tokens bigint,
  cost numeric
)
-- No search path of its own: only so does the planner see through it. Every name in it is qualified.
language sql stable parallel safe
as $$
  select d.day, d.project, d.provider, d.model, d.calls, d.unpriced_calls, d.total_tokens, d.cost
  from public.spend_daily d
  where p_whole_days and d.workspace_id = p_workspace_id
    and d.day >= public.utc_day(p_start + interval '1 day' - interval '1 microsecond')
    and d.day < public.utc_day(p_end)
  union all
  select s.bucket, s.project, s.provider, s.model, s.calls, s.unpriced_calls,
    s.input_tokens + s.cache_read_tokens + s.cache_write_5m_tokens + s.cache_write_1h_tokens + s.output_tokens, s.cost
  from public.spend_hourly s
  where s.workspace_id = p_workspace_id and s.bucket >= p_start
    and s.bucket < case when p_whole_days
      then least(public.utc_day(p_start + interval '1 day' - interval '1 microsecond'), p_end) else p_end end
  union all
  select s.bucket, s.project, s.provider, s.model, s.calls, s.unpriced_calls,
    s.input_tokens + s.cache_read_tokens + s.cache_write_5m_tokens + s.cache_write_1h_tokens + s.output_tokens, s.cost
  from public.spend_hourly s
  where p_whole_days and s.workspace_id = p_workspace_id
    and s.bucket >= greatest(
      public.utc_day(p_end), public.utc_day(p_start + interval '1 day' - interval '1 microsecond'))
    and s.bucket < p_end
$$;
revoke all on function public.spend_cells from public, anon, authenticated;
grant execute on function public.spend_cells to service_role;


-- Totals of the range, by model (dearest first) and by day (empty days too).
create function public.cost_summary(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_tz text
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    with cells as materialized (
      select s.provider, s.model, (s."at" at time zone p_tz)::date as day,
        sum(s.calls) as calls, sum(s.unpriced_calls) as unpriced_calls, sum(s.cost) as cost,
        sum(s.tokens) as tokens
      from public.spend_cells(p_workspace_id, p_start, p_end, p_tz = 'UTC') s
      group by 1, 2, 3
    ),
    total as (
      select coalesce(sum(calls), 0) as calls, coalesce(sum(unpriced_calls), 0) as unpriced_calls,
        coalesce(sum(cost), 0) as cost
      from cells
    ),
    models as (
      select provider, model, sum(calls) as calls, sum(unpriced_calls) as unpriced_calls, sum(tokens) as tokens,
        sum(cost) as cost
      from cells
      group by provider, model
    ),
    days as (
      select d.day::date as day, coalesce(sum(c.calls), 0) as calls,
        coalesce(sum(c.unpriced_calls), 0) as unpriced_calls, coalesce(sum(c.cost), 0) as cost
      from generate_series(
        (p_start at time zone p_tz)::date::timestamp,
        (p_end - interval '1 microsecond') at time zone p_tz, interval '1 day') as d (day)
      left join cells c on c.day = d.day::date
      group by d.day
    )
    select jsonb_build_object(
      'total_cost', t.cost::text,
      'call_count', t.calls,
      'average_cost_per_call',
        case when t.calls = 0 then '0' else round(t.cost / nullif(t.calls - t.unpriced_calls, 0), 12)::text end,
      'unpriced_calls', t.unpriced_calls,
      'by_model', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'model', m.model, 'provider', m.provider, 'total_calls', m.calls, 'total_tokens', m.tokens,
          'total_cost', m.cost::text, 'unpriced_calls', m.unpriced_calls)
          order by m.cost desc, m.provider, m.model), '[]')
        from models m),
      'by_date', (
        select jsonb_agg(jsonb_build_object(
          'date', d.day, 'total_cost', d.cost::text, 'call_count', d.calls, 'unpriced_calls', d.unpriced_calls)
          order by d.day)
        from days d),
      'date_range_start', p_start,
      'date_range_end', p_end)
    from total t
  );
end
$$;
revoke all on function public.cost_summary from public, anon, authenticated;
grant execute on function public.cost_summary to service_role;


-- Totals by provider, dearest first, each with its models.
create function public.cost_by_provider(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    with models as (
      select s.provider, s.model, sum(s.calls) as calls, sum(s.unpriced_calls) as unpriced_calls, sum(s.cost) as cost
      from public.spend_cells(p_workspace_id, p_start, p_end, true) s
      group by 1, 2
    ),
    providers as (
      select m.provider, sum(m.cost) as cost, sum(m.calls) as calls, sum(m.unpriced_calls) as unpriced_calls,
        jsonb_object_agg(m.model, jsonb_build_object(
          'cost', m.cost::text, 'calls', m.calls, 'unpriced_calls', m.unpriced_calls)) as models
      from models m
      group by m.provider
    )
    select jsonb_build_object(
      'date_range', jsonb_build_object('start', p_start, 'end', p_end),
      'provider_costs', coalesce(jsonb_agg(jsonb_build_object(
        'provider', p.provider, 'total_cost', p.cost::text, 'call_count', p.calls,
        'unpriced_calls', p.unpriced_calls, 'models', p.models) order by p.cost desc, p.provider), '[]'))
    from providers p
  );
end
$$;
revoke all on function public.cost_by_provider from public, anon, authenticated;
grant execute on function public.cost_by_provider to service_role;


-- The dearest models of the range.
create function public.cost_top_models(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    with models as (
      select s.provider, s.model, sum(s.calls) as calls, sum(s.unpriced_calls) as unpriced_calls, sum(s.cost) as cost,
        sum(s.tokens) as tokens
      from public.spend_cells(p_workspace_id, p_start, p_end, true) s
      group by 1, 2
      order by cost desc, s.provider, s.model
      limit p_limit
    )
    select jsonb_build_object(
      'count', count(*),
      'models', coalesce(jsonb_agg(jsonb_build_object(
        'model', m.model, 'provider', m.provider, 'total_calls', m.calls, 'total_tokens', m.tokens,
        'total_cost', m.cost::text, 'unpriced_calls', m.unpriced_calls)
        order by m.cost desc, m.provider, m.model), '[]'))
    from models m
  );
end
$$;
revoke all on function public.cost_top_models from public, anon, authenticated;
grant execute on function public.cost_top_models to service_role;


-- Totals by project, dearest first; the calls without a project stand under null.
create function public.cost_by_project(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    with projects as (
      select s.project, sum(s.calls) as calls, sum(s.unpriced_calls) as unpriced_calls, sum(s.cost) as cost,
        sum(s.tokens) as tokens
      from public.spend_cells(p_workspace_id, p_start, p_end, true) s
      group by 1
    )
    select jsonb_build_object(
      'date_range', jsonb_build_object('start', p_start, 'end', p_end),
      'project_costs', coalesce(jsonb_agg(jsonb_build_object(
        'project', nullif(p.project, ''), 'total_cost', p.cost::text, 'call_count', p.calls,
        'total_tokens', p.tokens, 'unpriced_calls', p.unpriced_calls) order by p.cost desc, p.project), '[]'))
    from projects p
  );
end
$$;
revoke all on function public.cost_by_project from public, anon, authenticated;
grant execute on function public.cost_by_project to service_role;


-- Totals by the values of one tag, dearest first. Calls without the tag are not in it.
create function public.cost_by_tag(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_key text
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    with tagged as (
      select t.value, sum(t.calls) as calls, sum(t.unpriced_calls) as unpriced_calls, sum(t.cost) as cost,
        sum(t.total_tokens) as tokens
      from public.spend_by_tag t
      where t.workspace_id = p_workspace_id and t.key = p_key and t.bucket >= p_start and t.bucket < p_end
      group by 1
    )
    select jsonb_build_object(
      'date_range', jsonb_build_object('start', p_start, 'end', p_end),
      'key', p_key,
      'tag_costs', coalesce(jsonb_agg(jsonb_build_object(
        'value', t.value, 'total_cost', t.cost::text, 'call_count', t.calls, 'total_tokens', t.tokens,
        'unpriced_calls', t.unpriced_calls) order by t.cost desc, t.value), '[]'))
    from tagged t
  );
end
$$;
revoke all on function public.cost_by_tag from public, anon, authenticated;
grant execute on function public.cost_by_tag to service_role;


-- Totals by hour, day, week (from Monday) or month, empty ones too; p_by (model, provider, project or null) splits
-- each point. Hours are those of UTC, longer steps those of p_tz. A point may start before the range does.
create function public.cost_timeseries(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_tz text,
  p_step text,
  p_by text
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_tz text := case when p_step = 'hour' then 'UTC' else p_tz end;
begin
  return (
    with cells as (
      select date_trunc(p_step, s."at" at time zone v_tz) as step,
        case p_by when 'model' then s.model when 'provider' then s.provider when 'project' then s.project end as name,
        sum(s.calls) as calls, sum(s.unpriced_calls) as unpriced_calls, sum(s.cost) as cost,
        sum(s.tokens) as tokens
      from public.spend_cells(p_workspace_id, p_start, p_end, p_tz = 'UTC' and p_step <> 'hour') s
      group by 1, 2
    ),
    points as (
      select series.step at time zone v_tz as start, coalesce(sum(c.calls), 0) as calls,
        coalesce(sum(c.unpriced_calls), 0) as unpriced_calls, coalesce(sum(c.cost), 0) as cost,
        coalesce(sum(c.tokens), 0) as tokens,
        coalesce(jsonb_agg(jsonb_build_object(
          'name', nullif(c.name, ''), 'total_cost', c.cost::text, 'call_count', c.calls, 'total_tokens', c.tokens,
          'unpriced_calls', c.unpriced_calls) order by c.cost desc, c.name)
          filter (where p_by is not null and c.calls is not null), '[]') as split
      from generate_series(
        date_trunc(p_step, p_start at time zone v_tz),
        (p_end - interval '1 microsecond') at time zone v_tz,
        ('1 ' || p_step)::interval) as series (step)
      left join cells c on c.step = series.step
      group by series.step
    )
    select jsonb_build_object(
      'bucket', p_step,
      'by', p_by,
      'date_range', jsonb_build_object('start', p_start, 'end', p_end),
      'points', coalesce(jsonb_agg(jsonb_build_object(
        'start', p.start, 'total_cost', p.cost::text, 'call_count', p.calls, 'total_tokens', p.tokens,
        'unpriced_calls', p.unpriced_calls, 'split', p.split) order by p.start), '[]'))
    from points p
  );
end
$$;
revoke all on function public.cost_timeseries from public, anon, authenticated;
grant execute on function public.cost_timeseries to service_role;
