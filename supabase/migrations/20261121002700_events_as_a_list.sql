-- Events come as one list and not as an array for each of their columns: a driver looks at every element of an array, and
-- a list is ready to be sent.

-- Stores the events that are not there yet and adds just those to the rollups and to the periods of the budgets. What was
-- reserved for them is settled, and a threshold they cross or a model without a price makes an alert.
-- p_events is a JSON array of objects with the columns of an event as keys, and reservation_id; what is null may be left
-- out. Answers with the stored event of every one that was there before, with its position in the array (from 0); the
-- others are recorded. Rows are written in key order, so that writers wait for one another and never deadlock.
drop function public.record_events;
create function public.record_events(
  p_workspace_id uuid,
  p_created_at timestamptz,
  p_events text
) returns jsonb
language plpgsql security invoker set search_path = ''
-- Planning the statement anew costs a small batch more than running it, and no plan of it depends on the values.
set plan_cache_mode = force_generic_plan
as $$
declare
  v_events jsonb := p_events;
  v_recorded uuid[];
  v_unpriced boolean;
  v_limited boolean;
begin
  perform public.lock_totals(p_workspace_id, false);
  with recorded as (
    insert into public.events
    select p_workspace_id, g.id, g."timestamp", p_created_at, g.user_id, g.latency_ms, g.input_tokens,
      g.cache_read_tokens, g.cache_write_5m_tokens, g.cache_write_1h_tokens, g.output_tokens, g.reasoning_tokens,
      g.cost, g.pricing, g.provider, g.model, g.project, g.status, g.error_message, g.tags, g.metadata,
      g.usage_detail, g.api_key_id, g.policy_violations
    from rows from (
      jsonb_to_recordset(v_events) as (
        id uuid, "timestamp" timestamptz, user_id uuid, latency_ms double precision, input_tokens integer,
        cache_read_tokens integer, cache_write_5m_tokens integer, cache_write_1h_tokens integer, output_tokens integer,
        reasoning_tokens integer, cost numeric, pricing text, provider text, model text, project text, status text,
        error_message text, tags jsonb, metadata jsonb, usage_detail jsonb, api_key_id uuid, policy_violations text[]
      )
    ) with ordinality as g (
      id, "timestamp", user_id, latency_ms, input_tokens, cache_read_tokens, cache_write_5m_tokens,
      cache_write_1h_tokens, output_tokens, reasoning_tokens, cost, pricing, provider, model, project, status,
      error_message, tags, metadata, usage_detail, api_key_id, policy_violations, position
    )
    order by g.id, g.position
    on conflict do nothing
    returning *, public.spend_bucket("timestamp") as bucket
  ),
  cells as (
    select r.bucket, r.project, r.provider, r.model,
      public.latency_bucket(r.latency_ms) as latency_bucket,
      count(*) as calls,
      count(*) filter (where r.status <> 'success') as errors,
      count(*) filter (where r.cost is null) as unpriced_calls,
      sum(r.input_tokens) as input_tokens,
      sum(r.cache_read_tokens) as cache_read_tokens,
      sum(r.cache_write_5m_tokens) as cache_write_5m_tokens,
      sum(r.cache_write_1h_tokens) as cache_write_1h_tokens,
      sum(r.output_tokens) as output_tokens,
      sum(r.reasoning_tokens) as reasoning_tokens,
      coalesce(sum(r.cost), 0) as cost,
      coalesce(sum(r.cost) filter (where r.status <> 'success'), 0) as error_cost,
      coalesce(sum(r.latency_ms::numeric), 0) as latency_ms_sum
    from recorded r
    group by 1, 2, 3, 4, 5
  ),
  hourly as (
    insert into public.spend_hourly as h
    select p_workspace_id, c.bucket, c.project, c.provider, c.model, sum(c.calls), sum(c.errors),
      sum(c.unpriced_calls), sum(c.input_tokens), sum(c.cache_read_tokens), sum(c.cache_write_5m_tokens),
      sum(c.cache_write_1h_tokens), sum(c.output_tokens), sum(c.reasoning_tokens), sum(c.cost), sum(c.error_cost),
      sum(c.latency_ms_sum),
      coalesce(jsonb_object_agg(c.latency_bucket, c.calls) filter (where c.latency_bucket is not null), '{}')
    from cells c
    group by c.bucket, c.project, c.provider, c.model
    order by c.bucket, c.project, c.provider, c.model
    on conflict (workspace_id, bucket, project, provider, model) do update set
      calls = h.calls + excluded.calls,
      errors = h.errors + excluded.errors,
      unpriced_calls = h.unpriced_calls + excluded.unpriced_calls,
      input_tokens = h.input_tokens + excluded.input_tokens,
      cache_read_tokens = h.cache_read_tokens + excluded.cache_read_tokens,
      cache_write_5m_tokens = h.cache_write_5m_tokens + excluded.cache_write_5m_tokens,
      cache_write_1h_tokens = h.cache_write_1h_tokens + excluded.cache_write_1h_tokens,
      output_tokens = h.output_tokens + excluded.output_tokens,
      reasoning_tokens = h.reasoning_tokens + excluded.reasoning_tokens,
      cost = h.cost + excluded.cost,
      error_cost = h.error_cost + excluded.error_cost,
      latency_ms_sum = h.latency_ms_sum + excluded.latency_ms_sum,
      latency = public.add_counts(h.latency, excluded.latency)
  ),
  daily as (
    insert into public.spend_daily as d
    select p_workspace_id, public.utc_day(c.bucket) as day, c.project, c.provider, c.model, sum(c.calls),
      sum(c.unpriced_calls),
      sum(c.input_tokens + c.cache_read_tokens + c.cache_write_5m_tokens + c.cache_write_1h_tokens
        + c.output_tokens),
      sum(c.cost)
    from cells c
    group by day, c.project, c.provider, c.model
    order by day, c.project, c.provider, c.model
    on conflict (workspace_id, day, project, provider, model) do update set
      calls = d.calls + excluded.calls,
      unpriced_calls = d.unpriced_calls + excluded.unpriced_calls,
      total_tokens = d.total_tokens + excluded.total_tokens,
      cost = d.cost + excluded.cost
  ),
  tagged as (
    insert into public.spend_by_tag as t
    select p_workspace_id, tag.key, r.bucket, tag.value, count(*),
      count(*) filter (where r.cost is null),
      sum(r.input_tokens::bigint + r.cache_read_tokens + r.cache_write_5m_tokens + r.cache_write_1h_tokens
        + r.output_tokens),
      coalesce(sum(r.cost), 0)
    from recorded r
    cross join lateral jsonb_each_text(r.tags) as tag (key, value)
    where r.tags is not null
    group by tag.key, r.bucket, tag.value
    order by tag.key, r.bucket, tag.value
    on conflict (workspace_id, key, bucket, value) do update set
      calls = t.calls + excluded.calls,
      unpriced_calls = t.unpriced_calls + excluded.unpriced_calls,
      total_tokens = t.total_tokens + excluded.total_tokens,
      cost = t.cost + excluded.cost
  )
  select array_agg(r.id), bool_or(r.cost is null),
    exists (select from public.budgets b where b.workspace_id = p_workspace_id)
  into v_recorded, v_unpriced, v_limited
  from recorded r;

  -- Most writers have nothing to do with what follows, and do not pay for it.
  if v_limited then
    perform public.count_against_budgets(p_workspace_id, v_recorded, p_created_at);
  end if;
  if v_unpriced then
    insert into public.alerts (workspace_id, id, kind, subject, created_at)
    select p_workspace_id, gen_random_uuid(), 'unpriced_model', u.name, p_created_at
    from (
      select distinct e.provider || '/' || e.model as name
      from public.events e
      where e.workspace_id = p_workspace_id and e.id = any (v_recorded) and e.cost is null
    ) u
    order by u.name
    on conflict do nothing;
  end if;
  if jsonb_path_exists(v_events, '$[*].reservation_id') then
    delete from public.reservations s
    using jsonb_to_recordset(v_events) as g (id uuid, reservation_id uuid)
    where s.workspace_id = p_workspace_id and s.id = g.reservation_id and g.id = any (v_recorded);
  end if;

  if cardinality(v_recorded) = jsonb_array_length(v_events) then
    return '[]'::jsonb;
  end if;

  -- An event is a duplicate when it was there before, or stands earlier in the same list. A second statement, because
  -- only a new snapshot sees what a concurrent writer has just committed.
  return (
    select jsonb_agg(jsonb_build_object('position', d.position - 1, 'event', public.event_json(e, p.name))
                     order by d.position)
    from (
      select u.id, u.position, row_number() over (partition by u.id order by u.position) as occurrence
      from rows from (jsonb_to_recordset(v_events) as (id uuid)) with ordinality as u (id, position)
    ) d
    join public.events e on e.workspace_id = p_workspace_id and e.id = d.id
    left join public.projects p on p.workspace_id = e.workspace_id and p.key = e.project
    where d.occurrence > 1 or d.id <> all (coalesce(v_recorded, '{}'))
  );
end
$$;
revoke all on function public.record_events from public, anon, authenticated;
grant execute on function public.record_events to service_role;


create or replace function public.schema_version() returns text
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return '20261121002700';
end
$$;
