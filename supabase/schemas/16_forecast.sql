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
language plpgsql stable security invoker set search_path = ''
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
      join public.spend_hourly s
        on s.workspace_id = p_workspace_id and s.bucket >= z.recent and s.bucket < z."end"
      group by 1, 2, 3, 4, 5
      union all
      select z.tz, (s."at" at time zone z.tz)::date, s.project, s.provider, s.model, sum(s.cost), null
      from zones z
      cross join lateral llmlab_private.spend_cells(p_workspace_id, z."start", z.recent, z.tz = 'UTC') s
      group by 1, 2, 3, 4, 5
    ),
    wanted as (
      select null::uuid as id, p_tz as tz, null as project_key, null as provider, null as model_like
      union all
      select c.id, c.tz, c.project_key, c.provider, c.model_like
      from chosen c
      where not c.by_event and c.tag_key is null
    ),
    days as (
      select w.id, c.day, sum(c.cost) as cost, sum(c.by_now) as by_now
      from wanted w
      join cells c on c.tz = w.tz
        and (w.project_key is null or c.project = w.project_key)
        and (w.provider is null or c.provider = w.provider)
        and (w.model_like is null or c.model ilike w.model_like)
      group by w.id, c.day
      union all
      select b.id, t.day, sum(t.cost),
        sum(t.cost * least(1, greatest(0, extract(epoch from t.clock - t.at_time) / 3600)))
          filter (where t.is_recent)
      from chosen b
      cross join lateral (
        select (s.bucket at time zone z.tz)::date as day, (s.bucket at time zone z.tz)::time as at_time, z.clock,
          s.cost, s.bucket >= z.recent as is_recent
        from zones z
        join public.spend_by_tag s on s.workspace_id = p_workspace_id and s.key = b.tag_key and s.value = b.tag_value
          and s.bucket >= z."start" and s.bucket < z."end"
        where z.tz = b.tz
      ) t
      where not b.by_event and b.tag_key is not null
      group by b.id, t.day
    ),
    series as (
      select n.id, z.today,
        min(d.day) filter (where d.cost > 0 and d.day < z.today) as first_day,
        coalesce(sum(d.cost) filter (where d.day = z.today), 0) as spent_today,
        coalesce(sum(d.by_now) filter (where d.day < z.today)
          / nullif(sum(d.cost) filter (where d.day < z.today and d.by_now is not null), 0),
          extract(epoch from z.clock) / 86400) as usual_share
      from (select null::uuid as id, p_tz as tz union all select c.id, c.tz from chosen c where not c.by_event) n
      join zones z on z.tz = n.tz
      left join days d on d.id is not distinct from n.id
      group by n.id, z.today, z.clock
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
          'costs', (
            select coalesce(jsonb_agg(coalesce(d.cost, 0)::text order by g.day), '[]')
            from generate_series(s.first_day::timestamp, s.today - interval '1 day', interval '1 day') as g (day)
            left join days d on d.id is not distinct from s.id and d.day = g.day::date)))
        from series s))
  );
end
$$;
