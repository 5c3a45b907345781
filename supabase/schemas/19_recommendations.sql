-- Recommendations: the usage they are computed from.


-- The usage of the 50 models with the highest cost in the range, or with the most calls where there are no prices:
--   days: totals of each day of p_tz on which they were called
--   projects: totals and the calls of each hour of the day, of the 100 pairs of model and project with the highest cost
--   ratings: number and average of each model's among the newest 2,000 ratings
--   sample: about p_samples calls, an equal number of each model, spread evenly over its calls; all calls if fewer.
--     To find one, 25 events from a time on are read; a model that is not among them has a smaller sample.
--   newest: those of the newest 500 calls that have a prompt_hash, oldest first
--   prices: the workspace's custom prices
-- Amounts are text. However many events there are, the number of events read is the same.
create function public.model_usage(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_tz text,
  p_samples integer
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
-- Events are read in the order of their index. When the planner expects few, it would read and sort all of them.
set enable_sort = off
as $$
begin
  return (
    with cells as materialized (
      select s.provider, s.model, s.project, s.bucket, s.bucket at time zone p_tz as local, s.calls, s.errors,
        s.unpriced_calls, s.input_tokens, s.cache_read_tokens, s.cache_write_5m_tokens, s.cache_write_1h_tokens,
        s.output_tokens, s.reasoning_tokens, s.cost, s.error_cost
      from public.spend_hourly s
      where s.workspace_id = p_workspace_id and s.bucket >= p_start and s.bucket < p_end
    ),
    models as materialized (
      select c.provider, c.model, sum(c.calls) as calls, sum(sum(c.calls)) over () as all_calls,
        row_number() over (order by sum(c.cost) desc, sum(c.calls) desc, c.provider, c.model) as number
      from cells c
      group by c.provider, c.model
      order by number
      limit 50
    ),
    -- The same in one row: the number of a model by its names, and by its number the rest. A lookup takes the same time
    -- however many rows the planner expects; a join does not.
    top as materialized (
      select coalesce(jsonb_object_agg(m.provider || chr(31) || m.model, m.number), '{}') as numbers,
        array_agg(m.provider order by m.number) as providers,
        array_agg(m.model order by m.number) as models,
        array_agg(m.calls order by m.number) as calls,
        coalesce(max(m.all_calls), 0) as all_calls,
        greatest(p_samples / greatest(count(*), 1), 1)::numeric as quota
      from models m
    ),
    -- Grouping by a number is faster than by two names.
    used as materialized (
      select n.*
      from (
        select ((select t.numbers from top t) -> (c.provider || chr(31) || c.model))::integer as number, c.*
        from cells c
      ) n
      where n.number is not null
    ),
    days as (
      select u.number, u.local::date as day, min(u.bucket) as first_at, sum(u.calls) as calls, sum(u.errors) as errors,
        sum(u.unpriced_calls) as unpriced_calls, sum(u.input_tokens) as input_tokens,
        sum(u.cache_read_tokens) as cache_read_tokens, sum(u.cache_write_5m_tokens) as cache_write_5m_tokens,
        sum(u.cache_write_1h_tokens) as cache_write_1h_tokens, sum(u.output_tokens) as output_tokens,
        sum(u.reasoning_tokens) as reasoning_tokens, sum(u.cost) as cost, sum(u.error_cost) as error_cost
      from used u
      group by u.number, u.local::date
    ),
    hours as (
      select u.number, u.project, extract(hour from u.local)::integer as hour, min(u.bucket) as first_at,
        max(u.bucket) as last_at, sum(u.calls) as calls, sum(u.input_tokens) as input_tokens,
        sum(u.cache_read_tokens) as cache_read_tokens,
        sum(u.cache_write_5m_tokens + u.cache_write_1h_tokens) as cache_write_tokens, sum(u.cost) as cost
      from used u
      group by u.number, u.project, hour
    ),
    projects as (
      select h.number, h.project, min(h.first_at) as first_at, max(h.last_at) as last_at, sum(h.calls) as calls,
        sum(h.input_tokens) as input_tokens, sum(h.cache_read_tokens) as cache_read_tokens,
        sum(h.cache_write_tokens) as cache_write_tokens, sum(h.cost) as cost, jsonb_object_agg(h.hour, h.calls) as hours
      from hours h
      group by h.number, h.project
      order by cost desc, calls desc, h.number, h.project
      limit 100
    ),
    -- The calls of each model in order, and the number of sampled calls in each bucket, at equal distances in that
    -- order.
    reached as (
      select u.number, u.bucket, u.calls,
        (least(t.quota, t.calls[u.number]) / t.calls[u.number])::double precision as density,
        sum(u.calls::double precision) over (
          partition by u.number order by u.bucket, u.project rows unbounded preceding) - u.calls as before
      from used u
      cross join top t
      where t.all_calls > p_samples
    ),
    spots as (
      select r.*, ceil(r.before * r.density + 0.5)::bigint as first_spot,
        ceil((r.before + r.calls) * r.density + 0.5)::bigint - 1 as last_spot
      from reached r
    ),
    moments as (
      select s.number, s.bucket + ((spot.number - 0.5) / s.density - s.before) / s.calls * interval '1 hour' as moment
      from spots s
      cross join lateral generate_series(s.first_spot, s.last_spot) as spot (number)
      where s.last_spot >= s.first_spot
    ),
    found as (
      select e.*
      from moments at
      cross join top t
      cross join lateral (
        select near.*
        from (
          select e.*
          from public.events e
          where e.workspace_id = p_workspace_id and e."timestamp" >= at.moment and e."timestamp" < p_end
          order by e."timestamp"
          limit 25
        ) near
        where near.provider = t.providers[at.number] and near.model = t.models[at.number]
        order by near."timestamp"
        limit 1
      ) e
      union all
      (
        select e.*
        from public.events e
        where e.workspace_id = p_workspace_id and e."timestamp" >= p_start and e."timestamp" < p_end
          and (select t.all_calls from top t) <= p_samples
        order by e."timestamp" desc
        limit p_samples
      )
    ),
    sample as (
      select distinct on (f.id) f.*, f.metadata -> 'prefix_tokens' as prefix, f.metadata -> 'max_tokens' as ceiling
      from found f
      order by f.id
    ),
    newest as (
      select e.provider, e.model, e.project, e."timestamp", e.status, e.cost, e.id,
        coalesce(e.tags ->> 'prompt_hash', e.metadata ->> 'prompt_hash') as prompt_hash
      from public.events e
      where e.workspace_id = p_workspace_id and e."timestamp" >= p_start and e."timestamp" < p_end
      order by e."timestamp" desc
      limit 500
    ),
    rated as (
      select f.provider, f.model, f.rating
      from public.feedback f
      where f.workspace_id = p_workspace_id and f.called_at >= p_start and f.called_at < p_end
      order by f.called_at desc
      limit 2000
    )
    select jsonb_build_object(
      'days', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'provider', t.providers[d.number], 'model', t.models[d.number], 'day', d.day, 'first_at', d.first_at,
          'calls', d.calls, 'errors', d.errors, 'unpriced_calls', d.unpriced_calls, 'input_tokens', d.input_tokens,
          'cache_read_tokens', d.cache_read_tokens, 'cache_write_5m_tokens', d.cache_write_5m_tokens,
          'cache_write_1h_tokens', d.cache_write_1h_tokens, 'output_tokens', d.output_tokens,
          'reasoning_tokens', d.reasoning_tokens, 'cost', d.cost::text, 'error_cost', d.error_cost::text)
          order by d.number, d.day), '[]')
        from days d
        cross join top t),
      'projects', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'provider', t.providers[p.number], 'model', t.models[p.number], 'project', p.project,
          'name', (
            select named.name from public.projects named
            where named.workspace_id = p_workspace_id and named.key = p.project),
          'first_at', p.first_at,
          'last_at', p.last_at, 'calls', p.calls, 'input_tokens', p.input_tokens,
          'cache_read_tokens', p.cache_read_tokens, 'cache_write_tokens', p.cache_write_tokens, 'cost', p.cost::text,
          'hours', p.hours)
          order by p.cost desc, p.calls desc, p.number, p.project), '[]')
        from projects p
        cross join top t),
      'ratings', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'provider', r.provider, 'model', r.model, 'ratings', r.ratings, 'average_rating', r.average_rating)
          order by r.provider, r.model), '[]')
        from (
          select provider, model, count(*) as ratings, round(avg(rating), 2) as average_rating
          from rated group by provider, model
        ) r),
      'sample', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'provider', s.provider, 'model', s.model, 'project', s.project, 'input_tokens', s.input_tokens,
          'cache_read_tokens', s.cache_read_tokens, 'cache_write_5m_tokens', s.cache_write_5m_tokens,
          'cache_write_1h_tokens', s.cache_write_1h_tokens, 'output_tokens', s.output_tokens,
          'reasoning_tokens', s.reasoning_tokens, 'usage_detail', coalesce(s.usage_detail, '{}'),
          'tier', lower(s.tags ->> 'tier'),
          'prompt_hash', left(coalesce(s.tags ->> 'prompt_hash', s.metadata ->> 'prompt_hash'), 128),
          'prefix_hash', left(coalesce(s.tags ->> 'prefix_hash', s.metadata ->> 'prefix_hash'), 128),
          'prefix_tokens', case when jsonb_typeof(s.prefix) = 'number' and s.prefix::numeric between 1 and 100000000
            then floor(s.prefix::numeric)::integer end,
          'max_tokens', case when jsonb_typeof(s.ceiling) = 'number' and s.ceiling::numeric between 1 and 100000000
            then floor(s.ceiling::numeric)::integer end)
          order by s."timestamp", s.id), '[]')
        from sample s
        cross join top t
        where t.numbers ? (s.provider || chr(31) || s.model)),
      'newest', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'provider', n.provider, 'model', n.model, 'project', n.project, 'timestamp', n."timestamp",
          'status', n.status, 'cost', n.cost::text, 'prompt_hash', left(n.prompt_hash, 128))
          order by n."timestamp", n.id), '[]')
        from newest n
        where n.prompt_hash is not null),
      'prices', public.price_list(p_workspace_id, null))
  );
end
$$;
