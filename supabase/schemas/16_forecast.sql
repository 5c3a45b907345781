-- Forecast: what forecasts are computed from.


-- The daily costs of the workspace, in the time zone p_tz, and of its p_limit oldest budgets, each in its own time
-- zone: of the last p_days whole days, from the first with a cost, and of today so far, with the share of a day's cost
-- that in the last 28 days was spent before this time of day. Amounts are text. A budget counted from events has no
-- series.
create function public.spend_forecast(
  p_workspace_id uuid,
  p_tz text,
  p_days integer,
  p_limit integer,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    with chosen as materialized (
      select b.id, b.created_at, b.tz, b.project_key, b.provider, b.model_like, b.tag_key, b.tag_value,
        llmlab_private.is_counted_by_event(b.project_key, b.provider, b.model_like, b.tag_key, b.api_key_id) as by_event
      from public.budgets b
      where b.workspace_id = p_workspace_id
      order by b.created_at, b.id
      limit p_limit
    ),
    zones as materialized (
      select z.tz, z.today, z.clock, (z.today - p_days)::timestamp at time zone z.tz as "start",
        (z.today - least(p_days, 28))::timestamp at time zone z.tz as recent,
        (z.today + 1)::timestamp at time zone z.tz as "end"
      from (
        select t.tz, (p_now at time zone t.tz)::date as today, (p_now at time zone t.tz)::time as clock
        from (select p_tz as tz union select c.tz from chosen c where not c.by_event) t
      ) z
    ),
    -- by_now is the cost before this time of day, on the recent days only. Days start and end at a bucket.
    cells as materialized (
      select z.tz, (s.bucket at time zone z.tz)::date as day, s.project, s.provider, s.model, sum(s.cost) as cost,
        sum(s.cost * least(1, greatest(0,
          extract(epoch from z.clock - (s.bucket at time zone z.tz)::time) / 3600))) as by_now
      from zones z
      cross join lateral (
        select h.*
        from public.spend_hourly h
        where h.workspace_id = p_workspace_id and h.bucket >= z.recent and h.bucket < z."end"
        -- Keeps the planner from reading all hours for each zone.
        offset 0
      ) s
      group by 1, 2, 3, 4, 5
      union all
      select z.tz, (s."at" at time zone z.tz)::date, s.project, s.provider, s.model, sum(s.cost), null
      from zones z
      cross join lateral llmlab_private.spend_cells(p_workspace_id, z."start", z.recent, z.tz = 'UTC') s
      group by 1, 2, 3, 4, 5
    ),
    -- The workspace, without an id, and the budgets that have a series.
    targets as materialized (
      select w.*, z.today, z.clock, z."start", z.recent, z."end"
      from (
        select null::uuid as id, p_tz as tz, null as project_key, null as provider, null as model_like,
          null as tag_key, null as tag_value
        union all
        select c.id, c.tz, c.project_key, c.provider, c.model_like, c.tag_key, c.tag_value
        from chosen c
        where not c.by_event
      ) w
      join zones z on z.tz = w.tz
    ),
    -- Each day of each target has a row of zero, with today's date and the time of day.
    spent as (
      select t.id, c.day, c.cost, c.by_now, null::date as today, null::time as clock
      from targets t
      join cells c on c.tz = t.tz
        and (t.project_key is null or c.project = t.project_key)
        and (t.provider is null or c.provider = t.provider)
        and (t.model_like is null or c.model ilike t.model_like)
      where t.tag_key is null
      union all
      select t.id, (s.bucket at time zone t.tz)::date, s.cost,
        case when s.bucket >= t.recent then s.cost * least(1, greatest(0,
          extract(epoch from t.clock - (s.bucket at time zone t.tz)::time) / 3600)) end,
        null, null
      from targets t
      join public.spend_by_tag s on s.workspace_id = p_workspace_id and s.key = t.tag_key and s.value = t.tag_value
        and s.bucket >= t."start" and s.bucket < t."end"
      union all
      select t.id, d.day::date, 0, null, t.today, t.clock
      from targets t
      cross join lateral generate_series((t.today - p_days)::timestamp, t.today::timestamp, interval '1 day') as d (day)
    ),
    days as (
      select s.id, s.day, sum(s.cost) as cost, sum(s.by_now) as by_now, max(s.today) as today, max(s.clock) as clock
      from spent s
      group by s.id, s.day
    ),
    dated as (
      select d.*, min(d.day) filter (where d.cost > 0 and d.day < d.today) over (partition by d.id) as first_day
      from days d
    ),
    series as (
      select d.id, d.today,
        coalesce(sum(d.cost) filter (where d.day = d.today), 0) as spent_today,
        coalesce(sum(d.by_now) filter (where d.day < d.today)
          / nullif(sum(d.cost) filter (where d.day < d.today and d.by_now is not null), 0),
          extract(epoch from d.clock) / 86400) as usual_share,
        coalesce(
          jsonb_agg(d.cost::text order by d.day) filter (where d.day >= d.first_day and d.day < d.today), '[]') as costs
      from dated d
      group by d.id, d.today, d.clock
    )
    select jsonb_build_object(
      'budget_count', (select count(*) from public.budgets b where b.workspace_id = p_workspace_id),
      'budgets', (
        select coalesce(jsonb_agg(l.value order by l.place), '[]')
        from jsonb_array_elements(public.budget_list(p_workspace_id, null, p_now) -> 'budgets')
          with ordinality as l (value, place)
        where l.place <= p_limit),
      'series', (
        select jsonb_agg(jsonb_build_object(
          'budget_id', s.id, 'today', s.today, 'spent_today', s.spent_today::text, 'usual_share', s.usual_share::text,
          'costs', s.costs) order by s.id nulls first)
        from series s))
  );
end
$$;
