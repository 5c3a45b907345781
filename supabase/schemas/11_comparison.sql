-- Cost comparison: two ranges side by side.


-- What each project spent on each model in two ranges, [p_before_start, p_before_end) and [p_after_start, p_after_end),
-- for the p_limit pairs of project and model with the highest cost in either; the totals of the others; and the
-- workspace's custom prices. input_tokens is the uncached part. Amounts are text.
create function public.cost_compare(
  p_workspace_id uuid,
  p_before_start timestamptz,
  p_before_end timestamptz,
  p_after_start timestamptz,
  p_after_end timestamptz,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    with spend as (
      select s.later, s.project, s.provider, s.model, sum(s.calls) as calls, sum(s.unpriced_calls) as unpriced_calls,
        sum(s.input_tokens) as input_tokens, sum(s.cache_read_tokens) as cache_read_tokens,
        sum(s.cache_write_5m_tokens) as cache_write_5m_tokens, sum(s.cache_write_1h_tokens) as cache_write_1h_tokens,
        sum(s.output_tokens) as output_tokens, sum(s.cost) as cost
      from (
        select false as later, b.*
        from public.spend_hourly b
        where b.workspace_id = p_workspace_id and b.bucket >= p_before_start and b.bucket < p_before_end
        union all
        select true, a.*
        from public.spend_hourly a
        where a.workspace_id = p_workspace_id and a.bucket >= p_after_start and a.bucket < p_after_end
      ) s
      group by s.later, s.project, s.provider, s.model
    ),
    ranked as (
      select d.*, dense_rank() over (order by d.highest desc, d.project, d.provider, d.model) <= p_limit as is_listed
      from (
        select s.*, max(s.cost) over (partition by s.project, s.provider, s.model) as highest from spend s
      ) d
    ),
    named as materialized (
      select r.*, case when r.is_listed then (
        select p.name from public.projects p where p.workspace_id = p_workspace_id and p.key = r.project) end as name
      from ranked r
    ),
    sides as (
      select l.later,
        coalesce(jsonb_agg(jsonb_build_object(
          'project', r.name, 'provider', r.provider, 'model', r.model, 'calls', r.calls,
          'unpriced_calls', r.unpriced_calls, 'input_tokens', r.input_tokens,
          'cache_read_tokens', r.cache_read_tokens, 'cache_write_5m_tokens', r.cache_write_5m_tokens,
          'cache_write_1h_tokens', r.cache_write_1h_tokens, 'output_tokens', r.output_tokens, 'cost', r.cost::text)
          order by r.project, r.provider, r.model) filter (where r.is_listed), '[]') as listed,
        jsonb_build_object(
          'calls', coalesce(sum(r.calls) filter (where not r.is_listed), 0),
          'unpriced_calls', coalesce(sum(r.unpriced_calls) filter (where not r.is_listed), 0),
          'cost', coalesce(sum(r.cost) filter (where not r.is_listed), 0)::text) as rest
      from (values (false), (true)) as l (later)
      left join named r on r.later = l.later
      group by l.later
    )
    select jsonb_build_object(
      'before', b.listed, 'before_rest', b.rest, 'after', a.listed, 'after_rest', a.rest,
      'prices', public.price_list(p_workspace_id, null))
    from sides b, sides a
    where not b.later and a.later
  );
end
$$;
