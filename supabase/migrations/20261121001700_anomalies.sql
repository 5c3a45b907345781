-- What anomalies are found in.

-- What every project and model was used for and cost, by hours of the time zone p_tz: of the so many series that cost
-- most, and of all others in one without names. Each column of a series is a text of numbers with commas between them,
-- which is read faster than anything else. `slots` are the hours since the midnight at which p_start is, by the clock on
-- the wall; those before p_hours_from are whole days, as their first hour. Cost is that of the priced calls.
create function public.spend_series(
  p_workspace_id uuid,
  p_start timestamptz,
  p_hours_from timestamptz,
  p_end timestamptz,
  p_tz text,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_start timestamp := p_start at time zone p_tz;
begin
  return (
    with cells as (
      select s.project, s.provider, s.model,
        case when s.bucket < p_hours_from then 24 * ((s.bucket at time zone p_tz)::date - v_start::date)
          else floor(extract(epoch from (s.bucket at time zone p_tz) - v_start) / 3600)::integer end as slot,
        sum(s.calls) as calls, sum(s.errors) as errors, sum(s.unpriced_calls) as unpriced_calls,
        sum(s.input_tokens) as input_tokens, sum(s.cache_read_tokens) as cache_read_tokens,
        sum(s.cache_write_5m_tokens) as cache_write_5m_tokens,
        sum(s.cache_write_1h_tokens) as cache_write_1h_tokens, sum(s.output_tokens) as output_tokens,
        sum(s.cost) as cost
      from public.spend_hourly s
      where s.workspace_id = p_workspace_id and s.bucket >= p_start and s.bucket < p_end
      group by 1, 2, 3, 4
    ),
    places as (
      select c.project, c.provider, c.model,
        row_number() over (order by sum(c.cost) desc, sum(c.calls) desc, c.project, c.provider, c.model) as place
      from cells c
      group by c.project, c.provider, c.model
    ),
    kept as (
      select least(p.place, p_limit + 1) as place, c.slot, sum(c.calls) as calls, sum(c.errors) as errors,
        sum(c.unpriced_calls) as unpriced_calls, sum(c.input_tokens) as input_tokens,
        sum(c.cache_read_tokens) as cache_read_tokens, sum(c.cache_write_5m_tokens) as cache_write_5m_tokens,
        sum(c.cache_write_1h_tokens) as cache_write_1h_tokens, sum(c.output_tokens) as output_tokens,
        sum(c.cost) as cost
      from cells c
      join places p on p.project = c.project and p.provider = c.provider and p.model = c.model
      group by 1, 2
    ),
    series as (
      select k.place,
        string_agg(k.slot::text, ',' order by k.slot) as slots,
        string_agg(k.calls::text, ',' order by k.slot) as calls,
        string_agg(k.errors::text, ',' order by k.slot) as errors,
        string_agg(k.unpriced_calls::text, ',' order by k.slot) as unpriced_calls,
        string_agg(k.input_tokens::text, ',' order by k.slot) as input_tokens,
        string_agg(k.cache_read_tokens::text, ',' order by k.slot) as cache_read_tokens,
        string_agg(k.cache_write_5m_tokens::text, ',' order by k.slot) as cache_write_5m_tokens,
        string_agg(k.cache_write_1h_tokens::text, ',' order by k.slot) as cache_write_1h_tokens,
        string_agg(k.output_tokens::text, ',' order by k.slot) as output_tokens,
        string_agg(k.cost::text, ',' order by k.slot) as costs
      from kept k
      group by k.place
    )
    select coalesce(jsonb_agg(jsonb_build_object(
      'project', p.project, 'provider', p.provider, 'model', p.model,
      'slots', s.slots, 'calls', s.calls, 'errors', s.errors, 'unpriced_calls', s.unpriced_calls,
      'input_tokens', s.input_tokens, 'cache_read_tokens', s.cache_read_tokens,
      'cache_write_5m_tokens', s.cache_write_5m_tokens, 'cache_write_1h_tokens', s.cache_write_1h_tokens,
      'output_tokens', s.output_tokens, 'costs', s.costs) order by s.place), '[]')
    from series s
    left join places p on p.place = s.place and p.place <= p_limit
  );
end
$$;
revoke all on function public.spend_series from public, anon, authenticated;
grant execute on function public.spend_series to service_role;

drop function public.model_daily_costs;
