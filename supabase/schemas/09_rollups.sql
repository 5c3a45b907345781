-- Rollups: the totals of events, which every answer about costs reads. They are written in the same statement as the
-- events; they can be recounted from them, to prove that both agree and to rebuild them.

-- Totals per bucket (see spend_bucket), project, provider and model. latency counts calls per logarithmic bucket
-- (see latency_bucket).
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
-- Free space on every page lets busy rows be updated in place.
with (fillfactor = 70);
alter table public.spend_hourly alter column workspace_id set statistics 0;
alter table public.spend_hourly enable row level security;

-- The same totals by whole UTC days: an answer over many days reads one row instead of 38 buckets a day.
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
alter table public.spend_daily alter column workspace_id set statistics 0;
alter table public.spend_daily enable row level security;

-- Totals by the key and value of each tag.
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
alter table public.spend_by_tag alter column workspace_id set statistics 0;
alter table public.spend_by_tag enable row level security;


-- The start of the rollup bucket of a time: its hour or, where midnight falls within that hour in some time zone (13:30
-- UTC is midnight in Adelaide), the part of the hour before or after. Days can thus be cut exactly in every time zone,
-- with 38 buckets a day instead of 96 quarter hours. The expression depends on no setting, so that Postgres can inline
-- it.
create function llmlab_private.spend_bucket(
  p_time timestamptz
) returns timestamptz
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


-- The start of the UTC day of a time.
create function llmlab_private.utc_day(
  p_time timestamptz
) returns timestamptz
language sql immutable parallel safe
return date_bin('1 day', p_time, timestamptz '2000-01-01 00:00:00+00');


-- The logarithmic bucket of a latency. Buckets start at 1, 100, 200, 500 and 1,000 ms, so none crosses one of these
-- limits; each is at most 4% wide. The lowest starts at one microsecond and includes 0. Null stays null.
create function llmlab_private.latency_bucket(
  p_latency_ms double precision
) returns integer
language sql immutable parallel safe
return case
  when p_latency_ms < 100 then least(117, floor(118 * ln(greatest(p_latency_ms, 0.001)) / ln(100::double precision)))
  when p_latency_ms < 200 then least(135, 118 + floor(18 * ln(p_latency_ms / 100) / ln(2::double precision)))
  when p_latency_ms < 500 then least(159, 136 + floor(24 * ln(p_latency_ms / 200) / ln(2.5::double precision)))
  when p_latency_ms < 1000 then least(177, 160 + floor(18 * ln(p_latency_ms / 500) / ln(2::double precision)))
  else 178 + floor(ln(p_latency_ms / 1000) / ln(1.04::double precision))
end::integer;


-- The latency that represents a bucket, in milliseconds with 5 significant digits: it differs from both ends of the
-- bucket by the same share, less than 2%.
create function llmlab_private.bucket_latency(
  p_bucket integer
) returns double precision
language sql immutable parallel safe security invoker set search_path = ''
as $$
  select round(ends.middle::numeric, 4 - floor(log(ends.middle))::integer)::double precision
  from (
    select 2 * min(e.latency_ms) * max(e.latency_ms) / sum(e.latency_ms) as middle
    from (
      select case
          when b.bucket < 118 then power(100::double precision, b.bucket / 118.0)
          when b.bucket < 136 then 100 * power(2::double precision, (b.bucket - 118) / 18.0)
          when b.bucket < 160 then 200 * power(2.5::double precision, (b.bucket - 136) / 24.0)
          when b.bucket < 178 then 500 * power(2::double precision, (b.bucket - 160) / 18.0)
          else 1000 * power(1.04::double precision, b.bucket - 178)
        end as latency_ms
      from (values (p_bucket), (p_bucket + 1)) as b (bucket)
    ) e
  ) ends
$$;


-- The number of occurrences of each value, as a JSON object, less its occurrences in the second list. A count of 0 is
-- left out; null is an empty list.
create function llmlab_private.count_each(
  p_values integer[],
  p_removed integer[]
) returns jsonb
language plpgsql immutable parallel safe security invoker set search_path = ''
as $$
begin
  -- The most frequent case, without a query: one call recorded at a time.
  if cardinality(p_values) = 1 and p_removed is null then
    return jsonb_build_object(p_values[1], 1);
  end if;
  return (
    select coalesce(jsonb_object_agg(counted.value, counted.times), '{}')
    from (
      select v.value, sum(v.sign) as times
      from (
        select a.value, 1 as sign from unnest(p_values) as a (value)
        union all
        select r.value, -1 from unnest(p_removed) as r (value)
      ) v
      group by v.value
      having sum(v.sign) <> 0
    ) counted
  );
end
$$;


-- The rows that spend_hourly should hold.
create view llmlab_private.spend_hourly_recount with (security_invoker = true) as
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
  select e.workspace_id, llmlab_private.spend_bucket(e."timestamp") as bucket, e.project, e.provider, e.model,
    llmlab_private.latency_bucket(e.latency_ms) as latency_bucket,
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


-- The rows that spend_daily should hold.
create view llmlab_private.spend_daily_recount with (security_invoker = true) as
select s.workspace_id, llmlab_private.utc_day(s.bucket) as day, s.project, s.provider, s.model,
  sum(s.calls)::bigint as calls,
  sum(s.unpriced_calls)::bigint as unpriced_calls,
  sum(s.input_tokens + s.cache_read_tokens + s.cache_write_5m_tokens + s.cache_write_1h_tokens
    + s.output_tokens)::bigint as total_tokens,
  sum(s.cost) as cost
from public.spend_hourly s
group by 1, 2, 3, 4, 5;


-- The rows that spend_by_tag should hold.
create view llmlab_private.spend_by_tag_recount with (security_invoker = true) as
select e.workspace_id, tag.key, llmlab_private.spend_bucket(e."timestamp") as bucket, tag.value,
  count(*) as calls,
  count(*) filter (where e.cost is null) as unpriced_calls,
  sum(e.input_tokens::bigint + e.cache_read_tokens + e.cache_write_5m_tokens + e.cache_write_1h_tokens
    + e.output_tokens)::bigint as total_tokens,
  coalesce(sum(e.cost), 0) as cost
from public.events e
cross join lateral jsonb_each_text(e.tags) as tag (key, value)
where e.tags is not null
group by 1, 2, 3, 4;


-- Separates rebuilding a workspace's totals and writing them in any order, which are exclusive, from adding to them in
-- key order, which is shared.
create function llmlab_private.lock_totals(
  p_workspace_id uuid,
  p_alone boolean
) returns void
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


-- The counts of both objects together; a count of 0 is left out.
create function llmlab_private.add_counts(
  p_counts jsonb,
  p_others jsonb
) returns jsonb
language plpgsql immutable parallel safe security invoker set search_path = ''
as $$
begin
  return jsonb_strip_nulls(p_counts || (
    select coalesce(
      jsonb_object_agg(o.key, nullif(o.value::bigint + coalesce((p_counts ->> o.key)::bigint, 0), 0)), '{}')
    from jsonb_each_text(p_others) o));
end
$$;


-- Adds events to the rollups and to the periods of the budgets, and takes others out of them: the new and the old values
-- of corrected events, or only new ones. A threshold that the events cross and a model without a price create an alert.
-- Rows are written in key order, so that concurrent writers wait for one another and never deadlock.
create function llmlab_private.add_to_totals(
  p_workspace_id uuid,
  p_added public.events[],
  p_removed public.events[],
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
declare
  v_unpriced boolean;
  v_alerts uuid[];
begin
  with changed as (
    select 1 as sign, a.*, llmlab_private.spend_bucket(a."timestamp") as bucket from unnest(p_added) a
    union all
    select -1, a.*, llmlab_private.spend_bucket(a."timestamp") from unnest(p_removed) a
  ),
  hourly as (
    insert into public.spend_hourly as h
    select p_workspace_id, c.bucket, c.project, c.provider, c.model,
      sum(c.sign),
      coalesce(sum(c.sign) filter (where c.status <> 'success'), 0),
      coalesce(sum(c.sign) filter (where c.cost is null), 0),
      sum(c.sign * c.input_tokens),
      sum(c.sign * c.cache_read_tokens),
      sum(c.sign * c.cache_write_5m_tokens),
      sum(c.sign * c.cache_write_1h_tokens),
      sum(c.sign * c.output_tokens),
      sum(c.sign * c.reasoning_tokens),
      coalesce(sum(c.sign * c.cost), 0),
      coalesce(sum(c.sign * c.cost) filter (where c.status <> 'success'), 0),
      coalesce(sum(c.sign * c.latency_ms::numeric), 0),
      llmlab_private.count_each(
        array_agg(llmlab_private.latency_bucket(c.latency_ms)) filter (where c.latency_ms is not null and c.sign > 0),
        array_agg(llmlab_private.latency_bucket(c.latency_ms)) filter (where c.latency_ms is not null and c.sign < 0))
    from changed c
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
      latency = llmlab_private.add_counts(h.latency, excluded.latency)
  ),
  daily as (
    insert into public.spend_daily as d
    select p_workspace_id, llmlab_private.utc_day(c.bucket) as day, c.project, c.provider, c.model,
      sum(c.sign),
      coalesce(sum(c.sign) filter (where c.cost is null), 0),
      sum(c.sign * (c.input_tokens::bigint + c.cache_read_tokens + c.cache_write_5m_tokens + c.cache_write_1h_tokens
        + c.output_tokens)),
      coalesce(sum(c.sign * c.cost), 0)
    from changed c
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
    select p_workspace_id, tag.key, c.bucket, tag.value, sum(c.sign),
      coalesce(sum(c.sign) filter (where c.cost is null), 0),
      sum(c.sign * (c.input_tokens::bigint + c.cache_read_tokens + c.cache_write_5m_tokens + c.cache_write_1h_tokens
        + c.output_tokens)),
      coalesce(sum(c.sign * c.cost), 0)
    from changed c
    cross join lateral jsonb_each_text(c.tags) as tag (key, value)
    where c.tags is not null
    group by tag.key, c.bucket, tag.value
    order by tag.key, c.bucket, tag.value
    on conflict (workspace_id, key, bucket, value) do update set
      calls = t.calls + excluded.calls,
      unpriced_calls = t.unpriced_calls + excluded.unpriced_calls,
      total_tokens = t.total_tokens + excluded.total_tokens,
      cost = t.cost + excluded.cost
  )
  select bool_or(c.cost is null) filter (where c.sign > 0) into v_unpriced
  from changed c;

  -- Most calls need none of the following and do not pay for it.
  if exists (select from public.budgets b where b.workspace_id = p_workspace_id) then
    perform llmlab_private.count_against_budgets(p_workspace_id, p_added, p_removed, p_now);
  end if;
  if p_removed is not null then
    delete from public.spend_hourly h
    where h.workspace_id = p_workspace_id and h.calls = 0
      and h.bucket = any (array(select llmlab_private.spend_bucket(r."timestamp") from unnest(p_removed) r))
      and h.project = any (array(select r.project from unnest(p_removed) r))
      and h.provider = any (array(select r.provider from unnest(p_removed) r))
      and h.model = any (array(select r.model from unnest(p_removed) r));
    delete from public.spend_daily d
    where d.workspace_id = p_workspace_id and d.calls = 0
      and d.day = any (array(select llmlab_private.utc_day(r."timestamp") from unnest(p_removed) r))
      and d.project = any (array(select r.project from unnest(p_removed) r))
      and d.provider = any (array(select r.provider from unnest(p_removed) r))
      and d.model = any (array(select r.model from unnest(p_removed) r));
    delete from public.spend_by_tag t
    where t.workspace_id = p_workspace_id and t.calls = 0
      and t.key = any (array(select jsonb_object_keys(r.tags) from unnest(p_removed) r))
      and t.bucket = any (array(select llmlab_private.spend_bucket(r."timestamp") from unnest(p_removed) r))
      and t.value = any (array(select g.value from unnest(p_removed) r, jsonb_each_text(r.tags) g));
  end if;
  if v_unpriced then
    with alerts as (
      insert into public.alerts (workspace_id, id, kind, subject, created_at)
      select p_workspace_id, gen_random_uuid(), 'unpriced_model', u.name, p_now
      from (select distinct a.provider || '/' || a.model as name from unnest(p_added) a where a.cost is null) u
      order by u.name
      on conflict do nothing
      returning id
    )
    select array_agg(a.id) into v_alerts from alerts a;
    if v_alerts is not null then
      perform llmlab_private.queue_deliveries(p_workspace_id, v_alerts, p_now);
    end if;
  end if;
end
$$;


-- The number of rollup rows since a time that differ from a recount of the events, plus the days and budget periods
-- that differ from a recount of the rollups. Zero is the only correct answer. Totals before the time from which events
-- are kept cannot be recounted.
create function public.rollup_differences(
  p_workspace_id uuid,
  p_since timestamptz
) returns bigint
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10min'
as $$
declare
  v_kept timestamptz := (
    select coalesce(w.events_since, '-infinity') from public.workspaces w where w.id = p_workspace_id);
  v_since timestamptz := greatest(p_since, v_kept);
begin
  return (
    select count(*)
    from (select * from public.spend_hourly where workspace_id = p_workspace_id and bucket >= v_since) kept
    full join (select * from llmlab_private.spend_hourly_recount
               where workspace_id = p_workspace_id and bucket >= v_since) counted
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
    from (select * from public.spend_by_tag where workspace_id = p_workspace_id and bucket >= v_since) kept
    full join (select * from llmlab_private.spend_by_tag_recount
               where workspace_id = p_workspace_id and bucket >= v_since) counted
      using (workspace_id, key, bucket, value)
    where (kept.calls, kept.unpriced_calls, kept.total_tokens, kept.cost)
      is distinct from (counted.calls, counted.unpriced_calls, counted.total_tokens, counted.cost)
  ) + (
    select count(*)
    from (select * from public.spend_daily where workspace_id = p_workspace_id) kept
    full join (select * from llmlab_private.spend_daily_recount where workspace_id = p_workspace_id) counted
      using (workspace_id, day, project, provider, model)
    where (kept.calls, kept.unpriced_calls, kept.total_tokens, kept.cost)
      is distinct from (counted.calls, counted.unpriced_calls, counted.total_tokens, counted.cost)
  ) + (
    select count(*)
    from (select * from public.budget_periods where workspace_id = p_workspace_id) kept
    full join (select * from llmlab_private.budget_periods_recount where workspace_id = p_workspace_id) counted
      using (workspace_id, budget_id, period_start)
    join public.budgets b on b.workspace_id = p_workspace_id and b.id = budget_id
    -- A period whose only events were corrected away is counted as none.
    where (coalesce(kept.spend, 0), coalesce(kept.unpriced_calls, 0))
        is distinct from (coalesce(counted.spend, 0), coalesce(counted.unpriced_calls, 0))
      and (period_start >= v_kept or not llmlab_private.is_counted_by_event(
        b.project_key, b.provider, b.model_like, b.tag_key, b.api_key_id))
  );
end
$$;


-- Recounts the rollups of one workspace from its events since a time, and its days and budget periods from the rollups.
-- Writers wait meanwhile. Rollups before that time, and before the time from which events are kept, are unchanged.
create function public.rebuild_rollups(
  p_workspace_id uuid,
  p_since timestamptz
) returns void
language plpgsql security invoker set search_path = '' set statement_timeout = '10min'
as $$
declare
  v_kept timestamptz;
  v_since timestamptz;
begin
  perform llmlab_private.lock_totals(p_workspace_id, true);
  select coalesce(w.events_since, '-infinity') into v_kept from public.workspaces w where w.id = p_workspace_id;
  v_since := greatest(p_since, v_kept);
  delete from public.spend_hourly where workspace_id = p_workspace_id and bucket >= v_since;
  insert into public.spend_hourly
  select * from llmlab_private.spend_hourly_recount where workspace_id = p_workspace_id and bucket >= v_since;
  delete from public.spend_by_tag where workspace_id = p_workspace_id and bucket >= v_since;
  insert into public.spend_by_tag
  select * from llmlab_private.spend_by_tag_recount where workspace_id = p_workspace_id and bucket >= v_since;
  delete from public.spend_daily where workspace_id = p_workspace_id;
  insert into public.spend_daily select * from llmlab_private.spend_daily_recount where workspace_id = p_workspace_id;
  delete from public.budget_periods p
  using public.budgets b
  where p.workspace_id = p_workspace_id and b.workspace_id = p_workspace_id and b.id = p.budget_id
    and (p.period_start >= v_kept or not llmlab_private.is_counted_by_event(
      b.project_key, b.provider, b.model_like, b.tag_key, b.api_key_id));
  insert into public.budget_periods
  select r.*
  from llmlab_private.budget_periods_recount r
  join public.budgets b on b.workspace_id = p_workspace_id and b.id = r.budget_id
  where r.workspace_id = p_workspace_id
    and (r.period_start >= v_kept or not llmlab_private.is_counted_by_event(
      b.project_key, b.provider, b.model_like, b.tag_key, b.api_key_id));
end
$$;


-- The totals of a range in the fewest rows: whole UTC days from spend_daily and the rest at both ends from
-- spend_hourly. Without p_whole_days everything is from spend_hourly, for answers that cut days in another time zone.
create function llmlab_private.spend_cells(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_whole_days boolean
) returns table (
  "at" timestamptz,
  project text,
  provider text,
  model text,
  calls bigint,
  unpriced_calls bigint,
  tokens bigint,
  cost numeric
)
-- Without a search path of its own, so that the planner can inline it. Every name in it is qualified.
language sql stable parallel safe
as $$
  select d.day, d.project, d.provider, d.model, d.calls, d.unpriced_calls, d.total_tokens, d.cost
  from public.spend_daily d
  where p_whole_days and d.workspace_id = p_workspace_id
    and d.day >= llmlab_private.utc_day(p_start + interval '1 day' - interval '1 microsecond')
    and d.day < llmlab_private.utc_day(p_end)
  union all
  select s.bucket, s.project, s.provider, s.model, s.calls, s.unpriced_calls,
    s.input_tokens + s.cache_read_tokens + s.cache_write_5m_tokens + s.cache_write_1h_tokens + s.output_tokens, s.cost
  from public.spend_hourly s
  where s.workspace_id = p_workspace_id and s.bucket >= p_start
    and s.bucket < case when p_whole_days
      then least(llmlab_private.utc_day(p_start + interval '1 day' - interval '1 microsecond'), p_end) else p_end end
  union all
  select s.bucket, s.project, s.provider, s.model, s.calls, s.unpriced_calls,
    s.input_tokens + s.cache_read_tokens + s.cache_write_5m_tokens + s.cache_write_1h_tokens + s.output_tokens, s.cost
  from public.spend_hourly s
  where p_whole_days and s.workspace_id = p_workspace_id
    and s.bucket >= greatest(
      llmlab_private.utc_day(p_end), llmlab_private.utc_day(p_start + interval '1 day' - interval '1 microsecond'))
    and s.bucket < p_end
$$;
