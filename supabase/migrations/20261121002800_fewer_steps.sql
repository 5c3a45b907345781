-- Recording a few events costs less: the hour of an event is found in place, what was recorded is read just once and only
-- where it is needed, and a histogram is added to by the statement that updates its row.

-- The start of the rollup bucket a moment falls in: its hour, or, where midnight falls inside that hour somewhere on
-- Earth (13:30 UTC is midnight in Adelaide), the part of the hour before or after. So days can be cut exactly in every
-- time zone, at 38 buckets a day instead of the 96 that quarter hours would take. Whatever is asked here depends on no
-- setting, or Postgres would call the function for each row instead of copying it into the query.
create or replace function public.spend_bucket(p_time timestamptz) returns timestamptz
language sql immutable parallel safe
return (
  (p_time at time zone 'UTC')::date
  + (array[
      '00:00', '01:00', '02:00', '02:30', '03:00', '03:30', '04:00', '05:00', '06:00', '07:00',
      '08:00', '09:00', '09:30', '10:00', '10:15', '11:00', '11:15', '12:00', '13:00', '13:30',
      '14:00', '14:30', '15:00', '15:15', '15:30', '16:00', '17:00', '17:30', '18:00', '18:15',
      '18:30', '19:00', '19:30', '20:00', '20:30', '21:00', '22:00', '23:00'
    ]::time[])[width_bucket(
      (p_time at time zone 'UTC')::time,
      array[
        '00:00', '01:00', '02:00', '02:30', '03:00', '03:30', '04:00', '05:00', '06:00', '07:00',
        '08:00', '09:00', '09:30', '10:00', '10:15', '11:00', '11:15', '12:00', '13:00', '13:30',
        '14:00', '14:30', '15:00', '15:15', '15:30', '16:00', '17:00', '17:30', '18:00', '18:15',
        '18:30', '19:00', '19:30', '20:00', '20:30', '21:00', '22:00', '23:00'
      ]::time[])]
) at time zone 'UTC';


-- How often each value occurs, as a JSON object by value; '{}' for null.
create function public.count_each(p_values integer[]) returns jsonb
language plpgsql immutable parallel safe security invoker set search_path = ''
as $$
begin
  -- The most frequent case when calls are recorded as they come, without a query.
  if cardinality(p_values) = 1 then
    return jsonb_build_object(p_values[1], 1);
  end if;
  return (
    select coalesce(jsonb_object_agg(counted.value, counted.times), '{}')
    from (
      select v.value, count(*) as times
      from unnest(p_values) as v (value)
      group by v.value
    ) counted
  );
end
$$;
revoke all on function public.count_each from public, anon, authenticated;
grant execute on function public.count_each to service_role;


-- Stores the events that are not there yet and adds just those to the rollups and to the periods of the budgets. What was
-- reserved for them is settled, and a threshold they cross or a model without a price makes an alert.
-- p_events is a JSON array of objects with the columns of an event as keys, and reservation_id; what is null may be left
-- out. Answers with the stored event of every one that was there before, with its position in the array (from 0); the
-- others are recorded. Rows are written in key order, so that writers wait for one another and never deadlock.
create or replace function public.record_events(
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
    returning id, latency_ms, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
      output_tokens, reasoning_tokens, cost, provider, model, project, status, tags,
      public.spend_bucket("timestamp") as bucket
  ),
  hourly as (
    insert into public.spend_hourly as h
    select p_workspace_id, r.bucket, r.project, r.provider, r.model,
      count(*),
      count(*) filter (where r.status <> 'success'),
      count(*) filter (where r.cost is null),
      sum(r.input_tokens),
      sum(r.cache_read_tokens),
      sum(r.cache_write_5m_tokens),
      sum(r.cache_write_1h_tokens),
      sum(r.output_tokens),
      sum(r.reasoning_tokens),
      coalesce(sum(r.cost), 0),
      coalesce(sum(r.cost) filter (where r.status <> 'success'), 0),
      coalesce(sum(r.latency_ms::numeric), 0),
      public.count_each(array_agg(public.latency_bucket(r.latency_ms)) filter (where r.latency_ms is not null))
    from recorded r
    group by r.bucket, r.project, r.provider, r.model
    order by r.bucket, r.project, r.provider, r.model
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
      latency = h.latency || (
        select coalesce(jsonb_object_agg(m.key, m.value::bigint + coalesce((h.latency ->> m.key)::bigint, 0)), '{}')
        from jsonb_each_text(excluded.latency) m
      )
  ),
  daily as (
    insert into public.spend_daily as d
    select p_workspace_id, public.utc_day(r.bucket) as day, r.project, r.provider, r.model,
      count(*),
      count(*) filter (where r.cost is null),
      sum(r.input_tokens::bigint + r.cache_read_tokens + r.cache_write_5m_tokens + r.cache_write_1h_tokens
        + r.output_tokens),
      coalesce(sum(r.cost), 0)
    from recorded r
    group by day, r.project, r.provider, r.model
    order by day, r.project, r.provider, r.model
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

drop function public.add_counts;


create or replace function public.schema_version() returns text
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return '20261121002800';
end
$$;
