-- What the recommendations are computed from. Money travels as text.

-- Per model the cost of every day of the range, from the first day it cost anything, zeros included.
create function public.model_daily_costs(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_tz text
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    with cells as (
      select s.provider, s.model, (s.bucket at time zone p_tz)::date as day, sum(s.cost) as cost
      from public.spend_hourly s
      where s.workspace_id = p_workspace_id and s.bucket >= p_start and s.bucket < p_end
      group by 1, 2, 3
    ),
    series as (
      select m.provider, m.model, m.first_day,
        jsonb_agg(coalesce(c.cost, 0)::text order by d.day) as costs
      from (
        select provider, model, min(day) as first_day from cells where cost > 0 group by provider, model
      ) m
      cross join lateral generate_series(
        m.first_day::timestamp, (p_end - interval '1 microsecond') at time zone p_tz, interval '1 day') as d (day)
      left join cells c on c.provider = m.provider and c.model = m.model and c.day = d.day::date
      group by m.provider, m.model, m.first_day
    )
    select coalesce(jsonb_agg(jsonb_build_object(
      'provider', s.provider, 'model', s.model, 'first_day', s.first_day, 'costs', s.costs)
      order by s.provider, s.model), '[]')
    from series s
  );
end
$$;
revoke all on function public.model_daily_costs from public, anon, authenticated;
grant execute on function public.model_daily_costs to service_role;


-- Per model what was used and paid in the range, and the start of its first bucket there.
create function public.model_usage(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    with models as (
      select s.provider, s.model, min(s.bucket) as first_at, sum(s.calls) as calls, sum(s.errors) as errors,
        sum(s.unpriced_calls) as unpriced_calls, sum(s.input_tokens) as input_tokens,
        sum(s.cache_read_tokens) as cache_read_tokens, sum(s.cache_write_5m_tokens) as cache_write_5m_tokens,
        sum(s.cache_write_1h_tokens) as cache_write_1h_tokens, sum(s.output_tokens) as output_tokens,
        sum(s.reasoning_tokens) as reasoning_tokens, sum(s.cost) as cost, sum(s.error_cost) as error_cost
      from public.spend_hourly s
      where s.workspace_id = p_workspace_id and s.bucket >= p_start and s.bucket < p_end
      group by 1, 2
    )
    select coalesce(jsonb_agg(jsonb_build_object(
      'provider', m.provider, 'model', m.model, 'first_at', m.first_at, 'calls', m.calls, 'errors', m.errors,
      'unpriced_calls', m.unpriced_calls, 'input_tokens', m.input_tokens,
      'cache_read_tokens', m.cache_read_tokens, 'cache_write_5m_tokens', m.cache_write_5m_tokens,
      'cache_write_1h_tokens', m.cache_write_1h_tokens, 'output_tokens', m.output_tokens,
      'reasoning_tokens', m.reasoning_tokens, 'cost', m.cost::text, 'error_cost', m.error_cost::text)
      order by m.cost desc, m.provider, m.model), '[]')
    from models m
  );
end
$$;
revoke all on function public.model_usage from public, anon, authenticated;
grant execute on function public.model_usage to service_role;


-- The newest migration this schema has had. Every migration that follows replaces it.
create function public.schema_version() returns text
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return '20261120000600';
end
$$;
revoke all on function public.schema_version from public, anon, authenticated;
grant execute on function public.schema_version to service_role;
