-- Anomalies: the series they are found in.


-- The usage and cost of every project and model in [p_start, p_end): of the p_limit series with the highest cost, and
-- of all others in one without names; and the workspace's custom prices. Each column of a series is a text of numbers
-- separated by commas, the fastest form to read. `minutes` are those from p_start to the start of a bucket or, before
-- p_hours_from, of a day in the time zone p_tz. Cost is that of the priced calls.
create function public.spend_series(
  p_workspace_id uuid,
  p_start timestamptz,
  p_hours_from timestamptz,
  p_end timestamptz,
  p_tz text,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    -- By the days that overlap the range: the order by cost need not be exact to the minute. A lookup by name takes the
    -- same time however many rows the planner expects; a join does not.
    with places as materialized (
      select jsonb_object_agg(t.project || chr(31) || t.provider || chr(31) || t.model, t.place) as by_name
      from (
        select d.project, d.provider, d.model,
          row_number() over (order by sum(d.cost) desc, sum(d.calls) desc, d.project, d.provider, d.model) as place
        from public.spend_daily d
        where d.workspace_id = p_workspace_id and d.day >= llmlab_private.utc_day(p_start) and d.day < p_end
        group by d.project, d.provider, d.model
        order by place
        limit p_limit
      ) t
    ),
    cells as (
      select s.bucket as at, s.project, s.provider, s.model, s.calls, s.errors, s.unpriced_calls, s.input_tokens,
        s.cache_read_tokens, s.cache_write_5m_tokens, s.cache_write_1h_tokens, s.output_tokens, s.cost
      from public.spend_hourly s
      where s.workspace_id = p_workspace_id and s.bucket >= p_hours_from and s.bucket < p_end
      union all
      select (s.bucket at time zone p_tz)::date::timestamp at time zone p_tz, s.project, s.provider, s.model,
        sum(s.calls), sum(s.errors), sum(s.unpriced_calls), sum(s.input_tokens), sum(s.cache_read_tokens),
        sum(s.cache_write_5m_tokens), sum(s.cache_write_1h_tokens), sum(s.output_tokens), sum(s.cost)
      from public.spend_hourly s
      where s.workspace_id = p_workspace_id and s.bucket >= p_start and s.bucket < p_hours_from
      group by 1, 2, 3, 4
    ),
    placed as (
      select c.*, coalesce(
        ((select p.by_name from places p) -> (c.project || chr(31) || c.provider || chr(31) || c.model))::integer,
        p_limit + 1) as place
      from cells c
    ),
    series as (
      select c.place,
        case when c.place <= p_limit then min(c.project) end as project,
        case when c.place <= p_limit then min(c.provider) end as provider,
        case when c.place <= p_limit then min(c.model) end as model,
        string_agg((extract(epoch from c.at - p_start)::integer / 60)::text, ',' order by c.at) as minutes,
        string_agg(c.calls::text, ',' order by c.at) as calls,
        string_agg(c.errors::text, ',' order by c.at) as errors,
        string_agg(c.unpriced_calls::text, ',' order by c.at) as unpriced_calls,
        string_agg(c.input_tokens::text, ',' order by c.at) as input_tokens,
        string_agg(c.cache_read_tokens::text, ',' order by c.at) as cache_read_tokens,
        string_agg(c.cache_write_5m_tokens::text, ',' order by c.at) as cache_write_5m_tokens,
        string_agg(c.cache_write_1h_tokens::text, ',' order by c.at) as cache_write_1h_tokens,
        string_agg(c.output_tokens::text, ',' order by c.at) as output_tokens,
        string_agg(c.cost::text, ',' order by c.at) as costs
      from placed c
      group by c.place
    )
    select jsonb_build_object('series', coalesce(jsonb_agg(jsonb_build_object(
      'project', (select j.name from public.projects j where j.workspace_id = p_workspace_id and j.key = s.project),
      'provider', s.provider, 'model', s.model, 'minutes', s.minutes,
      'calls', s.calls, 'errors', s.errors, 'unpriced_calls', s.unpriced_calls,
      'input_tokens', s.input_tokens, 'cache_read_tokens', s.cache_read_tokens,
      'cache_write_5m_tokens', s.cache_write_5m_tokens, 'cache_write_1h_tokens', s.cache_write_1h_tokens,
      'output_tokens', s.output_tokens, 'costs', s.costs) order by s.place), '[]'),
      'prices', public.price_list(p_workspace_id, null))
    from series s
  );
end
$$;
