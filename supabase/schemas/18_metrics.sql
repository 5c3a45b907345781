-- Metrics: usage, latency and quality of calls, from the rollups and the feedback.


-- The rollups of a range, limited to a project, provider or model where these are not null. p_project is a name or an
-- id, and p_project_key its key.
create function llmlab_private.metric_cells(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_project text,
  p_project_key text,
  p_provider text,
  p_model text
) returns table (
  bucket timestamptz,
  provider text,
  model text,
  calls bigint,
  errors bigint,
  unpriced_calls bigint,
  input_tokens bigint,
  cache_read_tokens bigint,
  cache_write_5m_tokens bigint,
  cache_write_1h_tokens bigint,
  output_tokens bigint,
  reasoning_tokens bigint,
  cost numeric,
  latency_ms_sum numeric,
  latency jsonb
)
-- Without a search path of its own, so that the planner can inline it. Every name in it is qualified.
language sql stable parallel safe
as $$
  select s.bucket, s.provider, s.model, s.calls, s.errors, s.unpriced_calls, s.input_tokens, s.cache_read_tokens,
    s.cache_write_5m_tokens, s.cache_write_1h_tokens, s.output_tokens, s.reasoning_tokens, s.cost, s.latency_ms_sum,
    s.latency
  from public.spend_hourly s
  where s.workspace_id = p_workspace_id and s.bucket >= p_start and s.bucket < p_end
    and (p_project is null or s.project = p_project_key)
    and (p_provider is null or s.provider = p_provider)
    and (p_model is null or s.model = p_model)
$$;


-- The totals of a range. The average is over the calls with a latency, and null when there are none.
create function public.metrics_summary(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_project text,
  p_provider text,
  p_model text
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
declare
  v_key text := llmlab_private.project_key(p_workspace_id, p_project);
begin
  return (
    select jsonb_build_object(
      'date_range', jsonb_build_object('start', p_start, 'end', p_end),
      'total_tokens', coalesce(sum(s.input_tokens + s.cache_read_tokens + s.cache_write_5m_tokens
        + s.cache_write_1h_tokens + s.output_tokens), 0),
      'total_cost', coalesce(sum(s.cost), 0)::text,
      'average_latency', round(sum(s.latency_ms_sum) / sum(timed.calls), 3),
      'error_rate', coalesce(round(100 * sum(s.errors) / sum(s.calls), 4), 0)::text,
      'call_count', coalesce(sum(s.calls), 0),
      'error_count', coalesce(sum(s.errors), 0),
      'unpriced_calls', coalesce(sum(s.unpriced_calls), 0),
      'timed_calls', coalesce(sum(timed.calls), 0))
    from llmlab_private.metric_cells(p_workspace_id, p_start, p_end, p_project, v_key, p_provider, p_model) s
    cross join lateral (select sum(l.value::bigint) as calls from jsonb_each_text(s.latency) l) timed
  );
end
$$;


-- Calls, errors, tokens and cost of each day in the time zone p_tz, including days without calls.
create function public.metrics_daily(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_tz text,
  p_project text,
  p_provider text,
  p_model text
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
declare
  v_key text := llmlab_private.project_key(p_workspace_id, p_project);
begin
  return (
    -- Each day has a row of zeros, so that it appears without calls too.
    with cells as (
      select (s.bucket at time zone p_tz)::date as day, s.calls, s.errors, s.unpriced_calls, s.input_tokens,
        s.cache_read_tokens, s.cache_write_5m_tokens, s.cache_write_1h_tokens, s.output_tokens, s.reasoning_tokens,
        s.cost
      from llmlab_private.metric_cells(p_workspace_id, p_start, p_end, p_project, v_key, p_provider, p_model) s
      union all
      select series.day::date, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
      from generate_series(
        (p_start at time zone p_tz)::date::timestamp,
        (p_end - interval '1 microsecond') at time zone p_tz, interval '1 day') as series (day)
    ),
    days as (
      select c.day, sum(c.calls) as calls, sum(c.errors) as errors, sum(c.unpriced_calls) as unpriced_calls,
        sum(c.input_tokens + c.cache_read_tokens + c.cache_write_5m_tokens + c.cache_write_1h_tokens) as prompt_tokens,
        sum(c.cache_read_tokens) as cache_read_tokens, sum(c.cache_write_5m_tokens) as cache_write_5m_tokens,
        sum(c.cache_write_1h_tokens) as cache_write_1h_tokens, sum(c.output_tokens) as output_tokens,
        sum(c.reasoning_tokens) as reasoning_tokens, sum(c.cost) as cost
      from cells c
      group by c.day
    )
    select jsonb_build_object(
      'date_range', jsonb_build_object('start', p_start, 'end', p_end),
      'data', jsonb_agg(jsonb_build_object(
        'date', d.day, 'call_count', d.calls, 'error_count', d.errors,
        'error_rate', coalesce(round(100 * d.errors / nullif(d.calls, 0), 4), 0)::text,
        'prompt_tokens', d.prompt_tokens, 'cache_read_tokens', d.cache_read_tokens,
        'cache_write_tokens', d.cache_write_5m_tokens, 'cache_write_1h_tokens', d.cache_write_1h_tokens,
        'completion_tokens', d.output_tokens, 'reasoning_tokens', d.reasoning_tokens,
        'total_tokens', d.prompt_tokens + d.output_tokens,
        'total_cost', d.cost::text, 'unpriced_calls', d.unpriced_calls) order by d.day))
    from days d
  );
end
$$;


-- Latencies of the calls of a range that have one: the number in each of five ranges, each excluding its upper end, and
-- percentiles over all calls and by model, the most called first. Percentile p is the latency that p% of the calls do
-- not exceed, as in percentile_disc, within the precision of bucket_latency.
create function public.metrics_latency(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_project text,
  p_provider text,
  p_model text
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
declare
  v_key text := llmlab_private.project_key(p_workspace_id, p_project);
begin
  return (
    with cells as materialized (
      select s.provider, s.model, s.calls, s.latency_ms_sum, s.latency
      from llmlab_private.metric_cells(p_workspace_id, p_start, p_end, p_project, v_key, p_provider, p_model) s
    ),
    by_model as (
      select c.provider, c.model, l.key, sum(l.value::bigint) as calls
      from cells c
      cross join lateral jsonb_each_text(c.latency) l
      group by c.provider, c.model, l.key
    ),
    -- A row without a model is the total of all models.
    counts as materialized (
      select m.provider, m.model, m.key::integer as bucket, sum(m.calls) as calls
      from by_model m
      group by grouping sets ((m.provider, m.model, m.key), (m.key))
    ),
    ranked as (
      select c.provider, c.model, c.bucket, null::numeric as calls, null::numeric as latency_ms_sum,
        sum(c.calls) over (partition by c.provider, c.model order by c.bucket) as up_to_here,
        sum(c.calls) over (partition by c.provider, c.model) as timed_calls
      from counts c
      union all
      -- The calls and the sum of their latencies, in a row without a bucket.
      select c.provider, c.model, null, sum(c.calls), sum(c.latency_ms_sum), null, null
      from cells c
      group by grouping sets ((c.provider, c.model), ())
    ),
    groups as materialized (
      select r.provider, r.model, max(r.calls) as calls, max(r.timed_calls) as timed_calls,
        jsonb_build_object(
          'timed_calls', max(r.timed_calls),
          'average_latency', round(max(r.latency_ms_sum) / max(r.timed_calls), 3),
          'p50', llmlab_private.bucket_latency(min(r.bucket) filter (where 100 * r.up_to_here >= 50 * r.timed_calls)),
          'p95', llmlab_private.bucket_latency(min(r.bucket) filter (where 100 * r.up_to_here >= 95 * r.timed_calls)),
          'p99', llmlab_private.bucket_latency(min(r.bucket) filter (where 100 * r.up_to_here >= 99 * r.timed_calls))
        ) as latency
      from ranked r
      group by r.provider, r.model
    ),
    totals as materialized (
      select c.bucket, c.calls from counts c where c.model is null
    ),
    ranges as (
      select g.place, g.range, coalesce(sum(c.calls), 0) as calls
      from (values
        (1, '0-100ms', null, llmlab_private.latency_bucket(100)),
        (2, '100-200ms', llmlab_private.latency_bucket(100), llmlab_private.latency_bucket(200)),
        (3, '200-500ms', llmlab_private.latency_bucket(200), llmlab_private.latency_bucket(500)),
        (4, '500-1000ms', llmlab_private.latency_bucket(500), llmlab_private.latency_bucket(1000)),
        (5, '1000ms+', llmlab_private.latency_bucket(1000), null)
      ) as g (place, range, first, beyond)
      left join totals c on (g.first is null or c.bucket >= g.first)
        and (g.beyond is null or c.bucket < g.beyond)
      group by g.place, g.range
    )
    select jsonb_build_object(
        'date_range', jsonb_build_object('start', p_start, 'end', p_end),
        'call_count', (select coalesce(g.calls, 0) from groups g where g.model is null),
        'data', (select jsonb_agg(jsonb_build_object('range', r.range, 'call_count', r.calls) order by r.place)
                 from ranges r),
        'by_model', (
          select coalesce(jsonb_agg(
            jsonb_build_object('provider', g.provider, 'model', g.model) || g.latency
            order by g.timed_calls desc, g.provider, g.model), '[]')
          from groups g
          where g.model is not null and g.timed_calls > 0))
      || coalesce(
        (select g.latency from groups g where g.model is null and g.timed_calls > 0),
        '{"timed_calls": 0, "average_latency": null, "p50": null, "p95": null, "p99": null}')
  );
end
$$;


-- The cost of good answers by model, the most rated first. Several ratings of a call count as their mean, and an answer
-- is good from 4 on. The cost of a good answer is the cost of all rated calls with a price, divided by the good ones
-- among them.
create function public.metrics_quality(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_project text,
  p_provider text,
  p_model text
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
declare
  v_key text := llmlab_private.project_key(p_workspace_id, p_project);
begin
  return (
    with rated as (
      select f.provider, f.model, f.cost, count(*) as ratings, avg(f.rating) as rating
      from public.feedback f
      where f.workspace_id = p_workspace_id and f.called_at >= p_start and f.called_at < p_end
        and (p_project is null or f.project = v_key)
        and (p_provider is null or f.provider = p_provider)
        and (p_model is null or f.model = p_model)
      group by f.event_id, f.provider, f.model, f.cost
    ),
    models as (
      select r.provider, r.model, sum(r.ratings) as ratings, count(*) as calls, avg(r.rating) as rating,
        count(*) filter (where r.rating >= 4) as good, count(*) filter (where r.cost is null) as unpriced,
        coalesce(sum(r.cost), 0) as cost,
        round(sum(r.cost) / nullif(count(*) filter (where r.rating >= 4 and r.cost is not null), 0), 12) as cost_of_good
      from rated r
      group by r.provider, r.model
    )
    select jsonb_build_object(
      'date_range', jsonb_build_object('start', p_start, 'end', p_end),
      'data', coalesce(jsonb_agg(jsonb_build_object(
        'provider', m.provider, 'model', m.model, 'ratings', m.ratings, 'rated_calls', m.calls,
        'average_rating', round(m.rating, 2), 'good_answers', m.good, 'unpriced_calls', m.unpriced,
        'rated_cost', m.cost::text, 'cost_per_good_answer', m.cost_of_good::text)
        order by m.calls desc, m.provider, m.model), '[]'))
    from models m
  );
end
$$;
