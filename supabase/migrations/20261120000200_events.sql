-- What was called and what it cost: the events, and the rollups written in the same statement.

create table public.events (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  "timestamp" timestamptz not null,
  created_at timestamptz not null,
  user_id uuid not null,
  latency_ms double precision,
  -- The usage counts are disjoint: input_tokens is the uncached rest of the prompt. Reasoning is part of the output.
  input_tokens integer not null,
  cache_read_tokens integer not null,
  cache_write_5m_tokens integer not null,
  cache_write_1h_tokens integer not null,
  output_tokens integer not null,
  reasoning_tokens integer not null,
  -- USD; null when no price is known. No fixed scale: a few list prices have 17 decimals.
  cost numeric check (cost >= 0),
  pricing text not null,
  provider text not null,
  model text not null,
  project text not null,
  status text not null check (status in ('success', 'error', 'timeout')),
  error_message text,
  tags jsonb,
  metadata jsonb,
  -- What the vendor counted beyond the columns above (audio, images, searches), by genai-prices usage key.
  usage_detail jsonb,
  primary key (workspace_id, id)
);
-- Serves the newest-first list and its cursor.
create index events_timestamp_idx on public.events (workspace_id, "timestamp" desc);

-- Totals per bucket (see spend_bucket), project, provider and model. latency counts calls per logarithmic bucket
-- (see latency_bucket). The project of an event without one is ''.
create table public.spend_hourly (
  workspace_id uuid not null references public.workspaces on delete cascade,
  bucket timestamptz not null,
  project text not null,
  provider text not null,
  model text not null,
  calls bigint not null,
  errors bigint not null,
  unpriced_calls bigint not null,
  input_tokens bigint not null,
  cache_read_tokens bigint not null,
  cache_write_5m_tokens bigint not null,
  cache_write_1h_tokens bigint not null,
  output_tokens bigint not null,
  reasoning_tokens bigint not null,
  cost numeric not null,
  error_cost numeric not null,
  latency_ms_sum numeric not null,
  latency jsonb not null,
  primary key (workspace_id, bucket, project, provider, model)
)
-- Room on every page lets the busy rows be updated in place.
with (fillfactor = 70);

-- The same totals by whole UTC days: what an answer over many days reads in place of 38 buckets a day.
create table public.spend_daily (
  workspace_id uuid not null references public.workspaces on delete cascade,
  day timestamptz not null,
  project text not null,
  provider text not null,
  model text not null,
  calls bigint not null,
  unpriced_calls bigint not null,
  total_tokens bigint not null,
  cost numeric not null,
  primary key (workspace_id, day, project, provider, model)
)
with (fillfactor = 70);

create table public.spend_by_tag (
  workspace_id uuid not null references public.workspaces on delete cascade,
  key text not null,
  bucket timestamptz not null,
  value text not null,
  calls bigint not null,
  unpriced_calls bigint not null,
  total_tokens bigint not null,
  cost numeric not null,
  primary key (workspace_id, key, bucket, value)
)
with (fillfactor = 70);

alter table public.events enable row level security;
alter table public.spend_hourly enable row level security;
alter table public.spend_daily enable row level security;
alter table public.spend_by_tag enable row level security;
revoke all on public.events, public.spend_hourly, public.spend_daily, public.spend_by_tag from public, anon, authenticated;
grant select, insert, update, delete
  on public.events, public.spend_hourly, public.spend_daily, public.spend_by_tag to service_role;


-- The start of the rollup bucket a moment falls in: its hour, or, where midnight falls inside that hour somewhere on
-- Earth (13:30 UTC is midnight in Adelaide), the part of the hour before or after. So days can be cut exactly in every
-- time zone, at 38 buckets a day instead of the 96 that quarter hours would take. The array holds minutes of the day.
create function public.spend_bucket(p_time timestamptz) returns timestamptz
language sql immutable parallel safe
return
  date_bin('1 day', p_time, timestamptz '2000-01-01 00:00:00+00')
  + (array[
          0, 60, 120, 150, 180, 210, 240, 300, 360, 420, 480, 540, 570,
          600, 615, 660, 675, 720, 780, 810, 840, 870, 900, 915, 930, 960,
          1020, 1050, 1080, 1095, 1110, 1140, 1170, 1200, 1230, 1260, 1320, 1380
    ])[width_bucket(
        (extract(epoch from p_time at time zone 'UTC')::bigint / 60 % 1440)::integer,
        array[
          0, 60, 120, 150, 180, 210, 240, 300, 360, 420, 480, 540, 570,
          600, 615, 660, 675, 720, 780, 810, 840, 870, 900, 915, 930, 960,
          1020, 1050, 1080, 1095, 1110, 1140, 1170, 1200, 1230, 1260, 1320, 1380
        ])] * interval '1 minute';
revoke all on function public.spend_bucket from public, anon, authenticated;
grant execute on function public.spend_bucket to service_role;


-- The start of the UTC day a moment falls in.
create function public.utc_day(p_time timestamptz) returns timestamptz
language sql immutable parallel safe
return date_bin('1 day', p_time, timestamptz '2000-01-01 00:00:00+00');
revoke all on function public.utc_day from public, anon, authenticated;
grant execute on function public.utc_day to service_role;


-- The logarithmic bucket of a latency: 1.04 to the power of it is its upper bound in milliseconds, so its middle,
-- 2 * 1.04^bucket / 2.04, is at most 2 % off. Null stays null.
create function public.latency_bucket(p_latency_ms double precision) returns integer
language sql immutable parallel safe
return ceil(ln(greatest(p_latency_ms, 1)) / ln(1.04::double precision))::integer;
revoke all on function public.latency_bucket from public, anon, authenticated;
grant execute on function public.latency_bucket to service_role;


-- Two histograms added up.
create function public.add_counts(p_counts jsonb, p_more jsonb) returns jsonb
language plpgsql immutable parallel safe security invoker set search_path = ''
as $$
begin
  if p_more = '{}' then
    return p_counts;
  end if;
  return (
    select jsonb_object_agg(key, calls)
    from (
      select key, sum(value::bigint) as calls
      from (select * from jsonb_each_text(p_counts) union all select * from jsonb_each_text(p_more)) both_sides
      group by key
    ) added
  );
end
$$;
revoke all on function public.add_counts from public, anon, authenticated;
grant execute on function public.add_counts to service_role;


-- An event as the API shows it. Money travels as text, so that no JSON reader on the way rounds it.
create function public.event_json(p_event public.events) returns jsonb
language sql immutable parallel safe
return jsonb_build_object(
  'event_id', p_event.id,
  'user_id', p_event.user_id,
  'project', nullif(p_event.project, ''),
  'provider', p_event.provider,
  'model', p_event.model,
  'input_tokens', p_event.input_tokens + p_event.cache_read_tokens + p_event.cache_write_5m_tokens
    + p_event.cache_write_1h_tokens,
  'cache_read_tokens', p_event.cache_read_tokens,
  'cache_write_tokens', p_event.cache_write_5m_tokens,
  'cache_write_1h_tokens', p_event.cache_write_1h_tokens,
  'output_tokens', p_event.output_tokens,
  'reasoning_tokens', p_event.reasoning_tokens,
  'total_tokens', p_event.input_tokens + p_event.cache_read_tokens + p_event.cache_write_5m_tokens
    + p_event.cache_write_1h_tokens + p_event.output_tokens,
  'usage_detail', coalesce(p_event.usage_detail, '{}'),
  'cost', p_event.cost::text,
  'pricing', p_event.pricing,
  'latency_ms', p_event.latency_ms,
  'status', p_event.status,
  'error_message', p_event.error_message,
  'tags', coalesce(p_event.tags, '{}'),
  'metadata', coalesce(p_event.metadata, '{}'),
  'timestamp', p_event."timestamp",
  'tracked_at', p_event.created_at);
revoke all on function public.event_json from public, anon, authenticated;
grant execute on function public.event_json to service_role;


-- Keeps whoever makes a workspace's totals anew apart from those who add to them: adding is shared, making is alone.
create function public.lock_totals(p_workspace_id uuid, p_alone boolean) returns void
language plpgsql security invoker set search_path = ''
as $$
begin
  if p_alone then
    perform pg_advisory_xact_lock(hashtextextended(p_workspace_id::text, 0));
  else
    perform pg_advisory_xact_lock_shared(hashtextextended(p_workspace_id::text, 0));
  end if;
end
$$;
revoke all on function public.lock_totals from public, anon, authenticated;
grant execute on function public.lock_totals to service_role;


-- Stores the events that are not there yet and adds just those to the rollups and to the periods of the budgets.
-- Answers with the stored event of every one that was there before, with its position in the arrays (from 0); the
-- others are recorded. Rows are written in key order, so that writers wait for one another and never deadlock.
create function public.record_events(
  p_workspace_id uuid,
  p_created_at timestamptz,
  p_ids uuid[],
  p_timestamps timestamptz[],
  p_user_ids uuid[],
  p_latencies_ms double precision[],
  p_input_tokens integer[],
  p_cache_read_tokens integer[],
  p_cache_write_5m_tokens integer[],
  p_cache_write_1h_tokens integer[],
  p_output_tokens integer[],
  p_reasoning_tokens integer[],
  p_costs numeric[],
  p_pricings text[],
  p_providers text[],
  p_models text[],
  p_projects text[],
  p_statuses text[],
  p_error_messages text[],
  p_tags text[],
  p_metadata text[],
  p_usage_details text[]
) returns jsonb
language plpgsql security invoker set search_path = ''
-- Planning the statement anew costs a small batch more than running it, and no plan of it depends on the values.
set plan_cache_mode = force_generic_plan
as $$
declare
  v_recorded uuid[];
  v_positions bigint[];
begin
  perform public.lock_totals(p_workspace_id, false);
  with recorded as (
    insert into public.events
    select p_workspace_id, g.id, g."timestamp", p_created_at, g.user_id, g.latency_ms, g.input_tokens,
      g.cache_read_tokens, g.cache_write_5m_tokens, g.cache_write_1h_tokens, g.output_tokens, g.reasoning_tokens,
      g.cost, g.pricing, g.provider, g.model, g.project, g.status, g.error_message, g.tags::jsonb, g.metadata::jsonb,
      g.usage_detail::jsonb
    from unnest(
      p_ids, p_timestamps, p_user_ids, p_latencies_ms, p_input_tokens, p_cache_read_tokens, p_cache_write_5m_tokens,
      p_cache_write_1h_tokens, p_output_tokens, p_reasoning_tokens, p_costs, p_pricings, p_providers, p_models,
      p_projects, p_statuses, p_error_messages, p_tags, p_metadata, p_usage_details
    ) with ordinality as g (
      id, "timestamp", user_id, latency_ms, input_tokens, cache_read_tokens, cache_write_5m_tokens,
      cache_write_1h_tokens, output_tokens, reasoning_tokens, cost, pricing, provider, model,
      project, status, error_message, tags, metadata, usage_detail, position
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
  budgeted as (
    insert into public.budget_periods as p
    select p_workspace_id, b.id, public.period_start(b.period, b.tz, c.bucket) as period_start, sum(c.cost),
      sum(c.unpriced_calls)
    from cells c
    cross join public.budgets b
    where b.workspace_id = p_workspace_id
    group by b.id, period_start
    order by b.id, period_start
    on conflict (workspace_id, budget_id, period_start) do update set
      spend = p.spend + excluded.spend,
      unpriced_calls = p.unpriced_calls + excluded.unpriced_calls
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
  select array_agg(r.id) into v_recorded from recorded r;

  if cardinality(v_recorded) = cardinality(p_ids) then
    return '[]'::jsonb;
  end if;

  -- A position is a duplicate when its event was there before, or stands earlier in the same arrays. A second
  -- statement, because only a new snapshot sees what a concurrent writer has just committed.
  select array_agg(g.position) into v_positions
  from (
    select u.id, u.position, row_number() over (partition by u.id order by u.position) as occurrence
    from unnest(p_ids) with ordinality as u (id, position)
  ) g
  where g.occurrence > 1 or g.id <> all (coalesce(v_recorded, '{}'));
  return (
    select jsonb_agg(jsonb_build_object('position', d.position - 1, 'event', public.event_json(e))
                     order by d.position)
    from unnest(v_positions) as d (position)
    join public.events e on e.workspace_id = p_workspace_id and e.id = p_ids[d.position]
  );
end
$$;
revoke all on function public.record_events from public, anon, authenticated;
grant execute on function public.record_events to service_role;


-- One event; null when this workspace has none with that id.
create function public.event_one(
  p_workspace_id uuid,
  p_event_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select public.event_json(e)
    from public.events e
    where e.workspace_id = p_workspace_id and e.id = p_event_id
  );
end
$$;
revoke all on function public.event_one from public, anon, authenticated;
grant execute on function public.event_one to service_role;


-- The newest events that pass the filters (null: any), from just before the given position, as one array.
create function public.event_list(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_provider text,
  p_model text,
  p_project text,
  p_status text,
  p_tag text,
  p_before_timestamp timestamptz,
  p_before_id uuid,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(public.event_json(page.event) order by page."timestamp" desc, page.id desc), '[]')
    from (
      select e as event, e."timestamp", e.id
      from public.events e
      where e.workspace_id = p_workspace_id
        and e."timestamp" >= coalesce(p_start, '-infinity')
        and e."timestamp" < coalesce(p_end, 'infinity')
        and e."timestamp" <= coalesce(p_before_timestamp, 'infinity')
        and (p_before_id is null or (e."timestamp", e.id) < (p_before_timestamp, p_before_id))
        and (p_provider is null or e.provider = p_provider)
        and (p_model is null or e.model = p_model)
        and (p_project is null or e.project = p_project)
        and (p_status is null or e.status = p_status)
        and (p_tag is null or e.tags @> p_tag::jsonb)
      order by e."timestamp" desc, e.id desc
      limit p_limit
    ) page
  );
end
$$;
revoke all on function public.event_list from public, anon, authenticated;
grant execute on function public.event_list to service_role;
