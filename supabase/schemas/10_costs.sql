-- Answers about costs, from the rollups. Ranges are half open, [p_start, p_end), and days are those of the time zone
-- p_tz. Amounts are text.


-- Totals of the range, by model (highest cost first) and by day (including days without calls).
create function public.cost_summary(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_tz text
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    with cells as materialized (
      select s.provider, s.model, (s."at" at time zone p_tz)::date as day,
        sum(s.calls) as calls, sum(s.unpriced_calls) as unpriced_calls, sum(s.cost) as cost,
        sum(s.tokens) as tokens
      from llmlab_private.spend_cells(p_workspace_id, p_start, p_end, p_tz = 'UTC') s
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
      select d.day, sum(d.calls) as calls, sum(d.unpriced_calls) as unpriced_calls, sum(d.cost) as cost
      from (
        select c.day, c.calls, c.unpriced_calls, c.cost from cells c
        union all
        select series.day::date, 0, 0, 0
        from generate_series(
          (p_start at time zone p_tz)::date::timestamp,
          (p_end - interval '1 microsecond') at time zone p_tz, interval '1 day') as series (day)
      ) d
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


-- Totals by provider, highest cost first, each with its models.
create function public.cost_by_provider(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    with models as (
      select s.provider, s.model, sum(s.calls) as calls, sum(s.unpriced_calls) as unpriced_calls, sum(s.cost) as cost
      from llmlab_private.spend_cells(p_workspace_id, p_start, p_end, true) s
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


-- The models with the highest cost in the range.
create function public.cost_top_models(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    with models as (
      select s.provider, s.model, sum(s.calls) as calls, sum(s.unpriced_calls) as unpriced_calls, sum(s.cost) as cost,
        sum(s.tokens) as tokens
      from llmlab_private.spend_cells(p_workspace_id, p_start, p_end, true) s
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


-- Totals by project, highest cost first; calls without a project are under null.
create function public.cost_by_project(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    with spend as (
      select s.project, sum(s.calls) as calls, sum(s.unpriced_calls) as unpriced_calls, sum(s.cost) as cost,
        sum(s.tokens) as tokens
      from llmlab_private.spend_cells(p_workspace_id, p_start, p_end, true) s
      group by 1
    ),
    named as (
      select s.*, (
        select p.name from public.projects p where p.workspace_id = p_workspace_id and p.key = s.project) as name
      from spend s
    )
    select jsonb_build_object(
      'date_range', jsonb_build_object('start', p_start, 'end', p_end),
      'project_costs', coalesce(jsonb_agg(jsonb_build_object(
        'project', n.name, 'total_cost', n.cost::text, 'call_count', n.calls,
        'total_tokens', n.tokens, 'unpriced_calls', n.unpriced_calls) order by n.cost desc, n.name, n.project), '[]'))
    from named n
  );
end
$$;


-- Totals by the values of one tag, highest cost first. Calls without the tag are not included.
create function public.cost_by_tag(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_key text
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
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


-- The keys of the tags in use, in order; at most p_limit. Steps from key to key along the primary key.
create function public.cost_tag_keys(
  p_workspace_id uuid,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    with recursive keys as (
      (select t.key, 1 as place from public.spend_by_tag t where t.workspace_id = p_workspace_id order by t.key limit 1)
      union all
      select n.key, k.place + 1
      from keys k
      cross join lateral (
        select t.key from public.spend_by_tag t
        where t.workspace_id = p_workspace_id and t.key > k.key
        order by t.key
        limit 1
      ) n
      where k.place < p_limit
    )
    select jsonb_build_object('keys', coalesce(jsonb_agg(k.key order by k.place), '[]')) from keys k
  );
end
$$;


-- Totals by hour, day, week (from Monday) or month, including empty ones, and those of the whole range. p_by (model,
-- provider, project, tag or null) splits each; by tag the names are the values of p_key, and null for calls without it.
-- Everything beyond the p_limit names with the highest cost is one row, others. Hours are UTC hours, longer steps those
-- of p_tz. A point may start before the range. Rollups by tag have no project, provider or model, so these filters
-- cannot be combined with p_by tag.
create function public.cost_timeseries(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_tz text,
  p_step text,
  p_by text,
  p_key text,
  p_project text,
  p_provider text,
  p_model text,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
declare
  v_tz text := case when p_step = 'hour' then 'UTC' else p_tz end;
  v_project text := llmlab_private.project_key(p_workspace_id, p_project);
begin
  return (
    with spent as materialized (
      select date_trunc(p_step, s."at" at time zone v_tz) as step,
        case p_by when 'model' then s.model when 'provider' then s.provider when 'project' then s.project end as name,
        sum(s.calls) as calls, sum(s.unpriced_calls) as unpriced_calls, sum(s.cost) as cost, sum(s.tokens) as tokens
      from llmlab_private.spend_cells(p_workspace_id, p_start, p_end, p_tz = 'UTC' and p_step <> 'hour') s
      where (p_project is null or s.project = v_project)
        and (p_provider is null or s.provider = p_provider)
        and (p_model is null or s.model = p_model)
      group by 1, 2
    ),
    tagged as materialized (
      select date_trunc(p_step, t.bucket at time zone v_tz) as step, t.value as name,
        sum(t.calls) as calls, sum(t.unpriced_calls) as unpriced_calls, sum(t.cost) as cost,
        sum(t.total_tokens) as tokens
      from public.spend_by_tag t
      where p_by = 'tag' and t.workspace_id = p_workspace_id and t.key = p_key and t.bucket >= p_start
        and t.bucket < p_end
      group by 1, 2
    ),
    cells as (
      select * from spent where p_by is distinct from 'tag'
      union all
      select * from tagged
      union all
      select u.step, null, sum(u.calls), sum(u.unpriced_calls), sum(u.cost), sum(u.tokens)
      from (
        select s.step, s.calls, s.unpriced_calls, s.cost, s.tokens from spent s
        union all
        select t.step, -t.calls, -t.unpriced_calls, -t.cost, -t.tokens from tagged t
      ) u
      where p_by = 'tag'
      group by u.step
      having sum(u.calls) > 0
    ),
    ranked as (
      select n.*, dense_rank() over (order by n.name_cost desc, n.name_calls desc, n.name) > p_limit as others
      from (
        select c.*, sum(c.cost) over (partition by c.name) as name_cost,
          sum(c.calls) over (partition by c.name) as name_calls
        from cells c
      ) n
    ),
    -- The totals of each step, and of the whole range where the step is null.
    parts as materialized (
      select r.step, case when not r.others then r.name end as name, r.others, sum(r.calls) as calls,
        sum(r.unpriced_calls) as unpriced_calls, sum(r.cost) as cost, sum(r.tokens) as tokens
      from ranked r
      group by grouping sets ((r.step, 2, 3), (2, 3))
    ),
    projects as (
      select jsonb_object_agg(s.name, (
        select p.name from public.projects p where p.workspace_id = p_workspace_id and p.key = s.name)) as names
      from parts s
      where p_by = 'project' and s.step is null and s.name is not null
    ),
    -- Steps without calls have a part without a name.
    steps as (
      select s.step, sum(s.calls) as calls, sum(s.unpriced_calls) as unpriced_calls, sum(s.cost) as cost,
        sum(s.tokens) as tokens,
        coalesce(jsonb_agg(jsonb_build_object(
          'name', case p_by when 'project' then p.names ->> s.name else s.name end, 'others', s.others,
          'total_cost', s.cost::text, 'call_count', s.calls, 'total_tokens', s.tokens,
          'unpriced_calls', s.unpriced_calls)
          order by s.others, s.cost desc, s.name) filter (where p_by is not null and s.others is not null), '[]')
          as split
      from (
        select * from parts
        union all
        select series.step, null, null, 0, 0, 0, 0
        from generate_series(
          date_trunc(p_step, p_start at time zone v_tz),
          (p_end - interval '1 microsecond') at time zone v_tz,
          ('1 ' || p_step)::interval) as series (step)
      ) s
      cross join projects p
      group by s.step
    )
    select jsonb_build_object(
      'bucket', p_step,
      'by', p_by,
      'key', p_key,
      'date_range', jsonb_build_object('start', p_start, 'end', p_end),
      'total_cost', coalesce(max(s.cost) filter (where s.step is null), 0)::text,
      'call_count', coalesce(max(s.calls) filter (where s.step is null), 0),
      'total_tokens', coalesce(max(s.tokens) filter (where s.step is null), 0),
      'unpriced_calls', coalesce(max(s.unpriced_calls) filter (where s.step is null), 0),
      'split', coalesce((select w.split from steps w where w.step is null), '[]'),
      'points', coalesce(jsonb_agg(jsonb_build_object(
        'start', s.step at time zone v_tz, 'total_cost', s.cost::text, 'call_count', s.calls,
        'total_tokens', s.tokens, 'unpriced_calls', s.unpriced_calls, 'split', s.split)
        order by s.step) filter (where s.step is not null), '[]'))
    from steps s
  );
end
$$;
