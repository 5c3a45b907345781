-- The rollups recounted from the events: to prove that they agree, and to make them anew.

-- What spend_hourly must say.
create view public.spend_hourly_recount with (security_invoker = true) as
select c.workspace_id, c.bucket, c.project, c.provider, c.model,
  sum(c.calls)::bigint as calls,
  sum(c.errors)::bigint as errors,
  sum(c.unpriced_calls)::bigint as unpriced_calls,
  sum(c.input_tokens)::bigint as input_tokens,
  sum(c.cache_read_tokens)::bigint as cache_read_tokens,
  sum(c.cache_write_5m_tokens)::bigint as cache_write_5m_tokens,
  sum(c.cache_write_1h_tokens)::bigint as cache_write_1h_tokens,
  sum(c.output_tokens)::bigint as output_tokens,
  sum(c.reasoning_tokens)::bigint as reasoning_tokens,
  sum(c.cost) as cost,
  sum(c.error_cost) as error_cost,
  sum(c.latency_ms_sum) as latency_ms_sum,
  coalesce(jsonb_object_agg(c.latency_bucket, c.calls) filter (where c.latency_bucket is not null), '{}') as latency
from (
  select e.workspace_id, public.spend_bucket(e."timestamp") as bucket, e.project, e.provider, e.model,
    public.latency_bucket(e.latency_ms) as latency_bucket,
    count(*) as calls,
    count(*) filter (where e.status <> 'success') as errors,
    count(*) filter (where e.cost is null) as unpriced_calls,
    sum(e.input_tokens) as input_tokens,
    sum(e.cache_read_tokens) as cache_read_tokens,
    sum(e.cache_write_5m_tokens) as cache_write_5m_tokens,
    sum(e.cache_write_1h_tokens) as cache_write_1h_tokens,
    sum(e.output_tokens) as output_tokens,
    sum(e.reasoning_tokens) as reasoning_tokens,
    coalesce(sum(e.cost), 0) as cost,
    coalesce(sum(e.cost) filter (where e.status <> 'success'), 0) as error_cost,
    coalesce(sum(e.latency_ms::numeric), 0) as latency_ms_sum
  from public.events e
  group by 1, 2, 3, 4, 5, 6
) c
group by c.workspace_id, c.bucket, c.project, c.provider, c.model;

-- What spend_daily must say.
create view public.spend_daily_recount with (security_invoker = true) as
select s.workspace_id, public.utc_day(s.bucket) as day, s.project, s.provider, s.model,
  sum(s.calls)::bigint as calls,
  sum(s.unpriced_calls)::bigint as unpriced_calls,
  sum(s.input_tokens + s.cache_read_tokens + s.cache_write_5m_tokens + s.cache_write_1h_tokens
    + s.output_tokens)::bigint as total_tokens,
  sum(s.cost) as cost
from public.spend_hourly s
group by 1, 2, 3, 4, 5;

-- What spend_by_tag must say.
create view public.spend_by_tag_recount with (security_invoker = true) as
select e.workspace_id, tag.key, public.spend_bucket(e."timestamp") as bucket, tag.value,
  count(*) as calls,
  count(*) filter (where e.cost is null) as unpriced_calls,
  sum(e.input_tokens::bigint + e.cache_read_tokens + e.cache_write_5m_tokens + e.cache_write_1h_tokens
    + e.output_tokens)::bigint as total_tokens,
  coalesce(sum(e.cost), 0) as cost
from public.events e
cross join lateral jsonb_each_text(e.tags) as tag (key, value)
where e.tags is not null
group by 1, 2, 3, 4;

revoke all on public.spend_hourly_recount, public.spend_daily_recount, public.spend_by_tag_recount
  from public, anon, authenticated;
grant select on public.spend_hourly_recount, public.spend_daily_recount, public.spend_by_tag_recount to service_role;


-- Every workspace there is. It looks across workspaces: maintenance goes from one to the next.
create function public.workspace_ids() returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (select coalesce(jsonb_agg(w.id order by w.id), '[]') from public.workspaces w);
end
$$;
revoke all on function public.workspace_ids from public, anon, authenticated;
grant execute on function public.workspace_ids to service_role;


-- How many rollup rows of one workspace since a moment differ from a recount of its events, and how many of its days and
-- periods of its budgets from a recount of the rollups; 0 is the only good answer.
create function public.rollup_differences(
  p_workspace_id uuid,
  p_since timestamptz
) returns bigint
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select count(*)
    from (select * from public.spend_hourly where workspace_id = p_workspace_id and bucket >= p_since) kept
    full join (select * from public.spend_hourly_recount
               where workspace_id = p_workspace_id and bucket >= p_since) counted
      using (workspace_id, bucket, project, provider, model)
    where (kept.calls, kept.errors, kept.unpriced_calls, kept.input_tokens, kept.cache_read_tokens,
           kept.cache_write_5m_tokens, kept.cache_write_1h_tokens, kept.output_tokens, kept.reasoning_tokens,
           kept.cost, kept.error_cost, kept.latency_ms_sum, kept.latency)
      is distinct from
          (counted.calls, counted.errors, counted.unpriced_calls, counted.input_tokens, counted.cache_read_tokens,
           counted.cache_write_5m_tokens, counted.cache_write_1h_tokens, counted.output_tokens,
           counted.reasoning_tokens, counted.cost, counted.error_cost, counted.latency_ms_sum, counted.latency)
  ) + (
    select count(*)
    from (select * from public.spend_by_tag where workspace_id = p_workspace_id and bucket >= p_since) kept
    full join (select * from public.spend_by_tag_recount
               where workspace_id = p_workspace_id and bucket >= p_since) counted
      using (workspace_id, key, bucket, value)
    where (kept.calls, kept.unpriced_calls, kept.total_tokens, kept.cost)
      is distinct from (counted.calls, counted.unpriced_calls, counted.total_tokens, counted.cost)
  ) + (
    select count(*)
    from (select * from public.spend_daily where workspace_id = p_workspace_id) kept
    full join (select * from public.spend_daily_recount where workspace_id = p_workspace_id) counted
      using (workspace_id, day, project, provider, model)
    where (kept.calls, kept.unpriced_calls, kept.total_tokens, kept.cost)
      is distinct from (counted.calls, counted.unpriced_calls, counted.total_tokens, counted.cost)
  ) + (
    select count(*)
    from (select * from public.budget_periods where workspace_id = p_workspace_id) kept
    full join (select * from public.budget_periods_recount where workspace_id = p_workspace_id) counted
      using (workspace_id, budget_id, period_start)
    where (kept.spend, kept.unpriced_calls) is distinct from (counted.spend, counted.unpriced_calls)
  );
end
$$;
revoke all on function public.rollup_differences from public, anon, authenticated;
grant execute on function public.rollup_differences to service_role;


-- Makes the rollups of one workspace anew from the events since a moment, and its days and the periods of its budgets
-- from those.
-- Its writers wait meanwhile. Rollups from before that moment stay, for their events may be gone.
create function public.rebuild_rollups(
  p_workspace_id uuid,
  p_since timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
begin
  perform public.lock_totals(p_workspace_id, true);
  delete from public.spend_hourly where workspace_id = p_workspace_id and bucket >= p_since;
  insert into public.spend_hourly
  select * from public.spend_hourly_recount where workspace_id = p_workspace_id and bucket >= p_since;
  delete from public.spend_by_tag where workspace_id = p_workspace_id and bucket >= p_since;
  insert into public.spend_by_tag
  select * from public.spend_by_tag_recount where workspace_id = p_workspace_id and bucket >= p_since;
  delete from public.spend_daily where workspace_id = p_workspace_id;
  insert into public.spend_daily select * from public.spend_daily_recount where workspace_id = p_workspace_id;
  delete from public.budget_periods where workspace_id = p_workspace_id;
  insert into public.budget_periods
  select * from public.budget_periods_recount where workspace_id = p_workspace_id;
end
$$;
revoke all on function public.rebuild_rollups from public, anon, authenticated;
grant execute on function public.rebuild_rollups to service_role;
