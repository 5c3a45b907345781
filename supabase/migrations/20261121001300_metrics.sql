-- How the calls went: metrics from the rollups, and what people said of the answers.

-- Latencies

-- The logarithmic bucket of a latency. Buckets begin at 1, 100, 200, 500 and 1,000 ms and so never reach across one of
-- these; each is at most 4 % wide. The lowest begins at a microsecond, which 0 counts as. Null stays null.
create or replace function public.latency_bucket(p_latency_ms double precision) returns integer
language sql immutable parallel safe
return case
  when p_latency_ms < 100 then least(117, floor(118 * ln(greatest(p_latency_ms, 0.001)) / ln(100::double precision)))
  when p_latency_ms < 200 then least(135, 118 + floor(18 * ln(p_latency_ms / 100) / ln(2::double precision)))
  when p_latency_ms < 500 then least(159, 136 + floor(24 * ln(p_latency_ms / 200) / ln(2.5::double precision)))
  when p_latency_ms < 1000 then least(177, 160 + floor(18 * ln(p_latency_ms / 500) / ln(2::double precision)))
  else 178 + floor(ln(p_latency_ms / 1000) / ln(1.04::double precision))
end::integer;


-- The latency that is off by the same share, less than 2 %, from both ends of a bucket; in milliseconds, to 5 digits.
create function public.bucket_latency(p_bucket integer) returns double precision
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
revoke all on function public.bucket_latency from public, anon, authenticated;
grant execute on function public.bucket_latency to service_role;

-- Nobody adds to the histograms while they are made anew.
lock table public.spend_hourly in share row exclusive mode;
update public.spend_hourly s
set latency = r.latency
from public.spend_hourly_recount r
where r.workspace_id = s.workspace_id and r.bucket = s.bucket and r.project = s.project and r.provider = s.provider
  and r.model = s.model and r.latency <> s.latency;


-- Metrics

-- The rollups of a range, of one project, provider or model where they are not null. A project is named by name or id,
-- and p_project_key is its key.
create function public.metric_cells(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_project text,
  p_project_key text,
  p_provider text,
  p_model text
) returns setof public.spend_hourly
-- No search path of its own: only so does the planner see through it. Every name in it is qualified.
language sql stable parallel safe
as $$
  select s.*
  from public.spend_hourly s
  where s.workspace_id = p_workspace_id and s.bucket >= p_start and s.bucket < p_end
    and (p_project is null or s.project = p_project_key)
    and (p_provider is null or s.provider = p_provider)
    and (p_model is null or s.model = p_model)
$$;
revoke all on function public.metric_cells from public, anon, authenticated;
grant execute on function public.metric_cells to service_role;


-- The totals of a range. The average is over the calls that have a latency, and null without any.
create function public.metrics_summary(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_project text,
  p_provider text,
  p_model text
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_key text := public.project_key(p_workspace_id, p_project);
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
    from public.metric_cells(p_workspace_id, p_start, p_end, p_project, v_key, p_provider, p_model) s
    cross join lateral (select sum(l.value::bigint) as calls from jsonb_each_text(s.latency) l) timed
  );
end
$$;
revoke all on function public.metrics_summary from public, anon, authenticated;
grant execute on function public.metrics_summary to service_role;


-- Calls, errors, tokens and cost of each day of the time zone p_tz, empty days too.
create function public.metrics_daily(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_tz text,
  p_project text,
  p_provider text,
  p_model text
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_key text := public.project_key(p_workspace_id, p_project);
begin
  return (
    with cells as (
      select (s.bucket at time zone p_tz)::date as day, sum(s.calls) as calls, sum(s.errors) as errors,
        sum(s.unpriced_calls) as unpriced_calls, sum(s.input_tokens) as input_tokens,
        sum(s.cache_read_tokens) as cache_read_tokens, sum(s.cache_write_5m_tokens) as cache_write_5m_tokens,
        sum(s.cache_write_1h_tokens) as cache_write_1h_tokens, sum(s.output_tokens) as output_tokens,
        sum(s.reasoning_tokens) as reasoning_tokens, sum(s.cost) as cost
      from public.metric_cells(p_workspace_id, p_start, p_end, p_project, v_key, p_provider, p_model) s
      group by 1
    ),
    days as (
      select series.day::date as day, coalesce(c.calls, 0) as calls, coalesce(c.errors, 0) as errors,
        coalesce(c.unpriced_calls, 0) as unpriced_calls,
        coalesce(c.input_tokens + c.cache_read_tokens + c.cache_write_5m_tokens + c.cache_write_1h_tokens, 0)
          as prompt_tokens,
        coalesce(c.cache_read_tokens, 0) as cache_read_tokens,
        coalesce(c.cache_write_5m_tokens, 0) as cache_write_5m_tokens,
        coalesce(c.cache_write_1h_tokens, 0) as cache_write_1h_tokens,
        coalesce(c.output_tokens, 0) as output_tokens, coalesce(c.reasoning_tokens, 0) as reasoning_tokens,
        coalesce(c.cost, 0) as cost
      from generate_series(
        (p_start at time zone p_tz)::date::timestamp,
        (p_end - interval '1 microsecond') at time zone p_tz, interval '1 day') as series (day)
      left join cells c on c.day = series.day::date
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
revoke all on function public.metrics_daily from public, anon, authenticated;
grant execute on function public.metrics_daily to service_role;


-- How long the calls of a range took that have a latency: how many in each of five ranges, each without its upper end,
-- and percentiles over all and by model, the most called first. The percentile p is the latency that p % of the calls
-- do not exceed, as percentile_disc has it, but for what bucket_latency is off.
create function public.metrics_latency(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_project text,
  p_provider text,
  p_model text
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_key text := public.project_key(p_workspace_id, p_project);
begin
  return (
    with by_model as (
      select s.provider, s.model, l.key, sum(l.value::bigint) as calls
      from public.metric_cells(p_workspace_id, p_start, p_end, p_project, v_key, p_provider, p_model) s
      cross join lateral jsonb_each_text(s.latency) l
      group by s.provider, s.model, l.key
    ),
    -- A row without a model counts all of them.
    counts as materialized (
      select m.provider, m.model, m.key::integer as bucket, sum(m.calls) as calls
      from by_model m
      group by grouping sets ((m.provider, m.model, m.key), (m.key))
    ),
    summed as (
      select s.provider, s.model, sum(s.calls) as calls, sum(s.latency_ms_sum) as latency_ms_sum
      from public.metric_cells(p_workspace_id, p_start, p_end, p_project, v_key, p_provider, p_model) s
      group by grouping sets ((s.provider, s.model), ())
    ),
    ranked as (
      select c.*, sum(c.calls) over (partition by c.provider, c.model order by c.bucket) as up_to_here,
        sum(c.calls) over (partition by c.provider, c.model) as timed_calls
      from counts c
    ),
    groups as (
      select r.provider, r.model, r.timed_calls,
        jsonb_build_object(
          'timed_calls', r.timed_calls,
          'average_latency', round(s.latency_ms_sum / r.timed_calls, 3),
          'p50', public.bucket_latency(min(r.bucket) filter (where 100 * r.up_to_here >= 50 * r.timed_calls)),
          'p95', public.bucket_latency(min(r.bucket) filter (where 100 * r.up_to_here >= 95 * r.timed_calls)),
          'p99', public.bucket_latency(min(r.bucket) filter (where 100 * r.up_to_here >= 99 * r.timed_calls))) as latency
      from ranked r
      join summed s on s.provider is not distinct from r.provider and s.model is not distinct from r.model
      group by r.provider, r.model, r.timed_calls, s.latency_ms_sum
    ),
    ranges as (
      select g.place, g.range, coalesce(sum(c.calls), 0) as calls
      from (values
        (1, '0-100ms', null, public.latency_bucket(100)),
        (2, '100-200ms', public.latency_bucket(100), public.latency_bucket(200)),
        (3, '200-500ms', public.latency_bucket(200), public.latency_bucket(500)),
        (4, '500-1000ms', public.latency_bucket(500), public.latency_bucket(1000)),
        (5, '1000ms+', public.latency_bucket(1000), null)
      ) as g (place, range, first, beyond)
      left join counts c on c.model is null and (g.first is null or c.bucket >= g.first)
        and (g.beyond is null or c.bucket < g.beyond)
      group by g.place, g.range
    )
    select jsonb_build_object(
        'date_range', jsonb_build_object('start', p_start, 'end', p_end),
        'call_count', (select coalesce(s.calls, 0) from summed s where s.model is null),
        'data', (select jsonb_agg(jsonb_build_object('range', r.range, 'call_count', r.calls) order by r.place)
                 from ranges r),
        'by_model', (
          select coalesce(jsonb_agg(
            jsonb_build_object('provider', g.provider, 'model', g.model) || g.latency
            order by g.timed_calls desc, g.provider, g.model), '[]')
          from groups g
          where g.model is not null))
      || coalesce(
        (select g.latency from groups g where g.model is null),
        '{"timed_calls": 0, "average_latency": null, "p50": null, "p95": null, "p99": null}')
  );
end
$$;
revoke all on function public.metrics_latency from public, anon, authenticated;
grant execute on function public.metrics_latency to service_role;


-- Feedback

-- What somebody thinks of a call. It holds what it needs of the call, which may be deleted while the rating stays.
create table public.feedback (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  -- No foreign key: retention deletes events.
  event_id uuid not null,
  -- A user or an API key; user_id is null for a key. Whoever deletes their account takes their words along.
  rated_by uuid not null,
  user_id uuid references public.users on delete cascade,
  rating smallint not null check (rating between 1 and 5),
  comment text,
  provider text not null,
  model text not null,
  project text not null,
  cost numeric,
  called_at timestamptz not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (workspace_id, id),
  -- One rating of a call per person or key.
  unique (workspace_id, event_id, rated_by)
);
-- Serves the newest-first list and its cursor.
create index feedback_created_at_idx on public.feedback (workspace_id, created_at desc, id desc);
-- Serves metrics_quality.
create index feedback_called_at_idx on public.feedback (workspace_id, called_at);
-- Serves the deletion of an account.
create index feedback_user_id_idx on public.feedback (user_id);

alter table public.feedback enable row level security;
revoke all on public.feedback from public, anon, authenticated;
grant select, insert, update, delete on public.feedback to service_role;


-- A rating as the API shows it, its project by name. Money travels as text.
create function public.feedback_json(p_feedback public.feedback, p_project text) returns jsonb
language sql immutable parallel safe
return jsonb_build_object(
  'id', p_feedback.id,
  'event_id', p_feedback.event_id,
  'rated_by', p_feedback.rated_by,
  'rating', p_feedback.rating,
  'comment', p_feedback.comment,
  'provider', p_feedback.provider,
  'model', p_feedback.model,
  'project', p_project,
  'cost', p_feedback.cost::text,
  'called_at', p_feedback.called_at,
  'created_at', p_feedback.created_at,
  'updated_at', p_feedback.updated_at);
revoke all on function public.feedback_json from public, anon, authenticated;
grant execute on function public.feedback_json to service_role;


-- Rates a call; whoever rated it before changes what they said. Null when this workspace has no such call.
create function public.feedback_set(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_feedback_id uuid,
  p_event_id uuid,
  p_rating integer,
  p_comment text,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_feedback public.feedback;
begin
  insert into public.feedback as f
    (workspace_id, id, event_id, rated_by, user_id, rating, comment, provider, model, project, cost, called_at,
     created_at, updated_at)
  select p_workspace_id, p_feedback_id, e.id, p_actor_id, (select u.id from public.users u where u.id = p_actor_id),
    p_rating, p_comment, e.provider, e.model, e.project, e.cost, e."timestamp", p_now, p_now
  from public.events e
  where e.workspace_id = p_workspace_id and e.id = p_event_id
  on conflict (workspace_id, event_id, rated_by) do update set
    rating = excluded.rating, comment = excluded.comment, updated_at = excluded.updated_at
  returning f.* into v_feedback;
  return (
    select public.feedback_json(v_feedback, p.name)
    from (values (v_feedback.project)) given (project)
    left join public.projects p on p.workspace_id = p_workspace_id and p.key = given.project
    where v_feedback.id is not null
  );
end
$$;
revoke all on function public.feedback_set from public, anon, authenticated;
grant execute on function public.feedback_set to service_role;


-- The newest ratings from just before the given position, as one array; of one rating, or with a text in the comment or
-- the model's name, where these are not null.
create function public.feedback_list(
  p_workspace_id uuid,
  p_search text,
  p_rating integer,
  p_before_at timestamptz,
  p_before_id uuid,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(
      public.feedback_json(page.feedback, p.name) order by page.created_at desc, page.id desc), '[]')
    from (
      select f as feedback, f.created_at, f.id, f.project
      from public.feedback f
      where f.workspace_id = p_workspace_id
        and f.created_at <= coalesce(p_before_at, 'infinity')
        and (p_before_id is null or (f.created_at, f.id) < (p_before_at, p_before_id))
        and (p_rating is null or f.rating = p_rating)
        and (p_search is null
             or strpos(lower(f.comment), lower(p_search)) > 0 or strpos(lower(f.model), lower(p_search)) > 0)
      order by f.created_at desc, f.id desc
      limit p_limit
    ) page
    left join public.projects p on p.workspace_id = p_workspace_id and p.key = page.project
  );
end
$$;
revoke all on function public.feedback_list from public, anon, authenticated;
grant execute on function public.feedback_list to service_role;


-- What good answers cost by model, the most rated first. Several ratings of a call count as their mean, and from 4 on
-- the answer was good. The cost of a good answer is that of all rated calls with a price, by the good ones among them.
create function public.metrics_quality(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_project text,
  p_provider text,
  p_model text
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_key text := public.project_key(p_workspace_id, p_project);
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
revoke all on function public.metrics_quality from public, anon, authenticated;
grant execute on function public.metrics_quality to service_role;


create or replace function public.schema_version() returns text
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return '20261121001300';
end
$$;
