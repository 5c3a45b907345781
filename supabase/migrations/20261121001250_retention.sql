-- Retention: the events that a workspace does not want to keep any longer are deleted, and the totals stay.

alter table public.workspaces
  -- Events before this hour are refused, and are deleted or about to be: totals of earlier hours cannot be recounted. Null
  -- where nothing was deleted yet.
  add column events_since timestamptz,
  -- When that was decided. Nothing is deleted before every server must have heard of it: an event that is sent again after
  -- its deletion would count twice.
  add column events_since_at timestamptz;


-- The hour that the events of a workspace are kept from, if they are kept for so many days.
create function public.retention_limit(p_days integer, p_now timestamptz) returns timestamptz
language sql immutable parallel safe
return date_bin('1 hour', p_now - p_days * interval '24 hours', timestamptz '2000-01-01 00:00:00+00');
revoke all on function public.retention_limit from public, anon, authenticated;
grant execute on function public.retention_limit to service_role;


-- The workspaces that have events older than they want to keep. It looks across workspaces: every server sweeps for all.
create function public.retention_due(p_now timestamptz) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(s.workspace_id order by s.workspace_id), '[]')
    from public.settings s
    -- The limit keeps this a look into the index for each workspace, however many events there are.
    cross join lateral (
      select from public.events e
      where e.workspace_id = s.workspace_id and e."timestamp" < public.retention_limit(s.retention_days, p_now)
      order by e."timestamp"
      limit 1
    ) expired
    where s.retention_days is not null
  );
end
$$;
revoke all on function public.retention_due from public, anon, authenticated;
grant execute on function public.retention_due to service_role;


-- Deletes up to p_limit events that have expired, the oldest first, from p_after on (null: from the first). Answers how many
-- that were and the time of the last one, to go on from. With nothing to delete it decides up to where the next call may,
-- which it does no earlier than five minutes later. Nothing is done while another server is at it.
create function public.retention_sweep(
  p_workspace_id uuid,
  p_after timestamptz,
  p_limit integer,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_limit timestamptz;
  v_since timestamptz;
  v_known boolean;
  v_deleted bigint := 0;
  v_reached timestamptz;
begin
  if pg_try_advisory_xact_lock(hashtextextended(p_workspace_id::text, 1)) then
    perform public.lock_totals(p_workspace_id, false);
    select public.retention_limit(s.retention_days, p_now), w.events_since,
      w.events_since_at <= p_now - interval '5 minutes'
    into v_limit, v_since, v_known
    from public.workspaces w
    join public.settings s on s.workspace_id = w.id
    where w.id = p_workspace_id and s.retention_days is not null
    -- Whoever deletes the workspace waits: two who delete the same events could wait for each other for ever.
    for key share of w;
    if v_known then
      with expired as (
        -- Where they are, so that they need not be looked up once more by their ids.
        select e.ctid as place
        from public.events e
        where e.workspace_id = p_workspace_id and e."timestamp" >= coalesce(p_after, '-infinity')
          and e."timestamp" < least(v_since, v_limit)
        order by e."timestamp"
        limit p_limit
      ),
      deleted as (
        delete from public.events e
        where e.workspace_id = p_workspace_id and e.ctid = any (array(select x.place from expired x))
        returning e."timestamp"
      )
      select count(*), max(d."timestamp") into v_deleted, v_reached from deleted d;
    end if;
    if v_deleted = 0 and (v_since is null or v_known) then
      update public.workspaces w
      set events_since = v_limit, events_since_at = p_now, terms_version = w.terms_version + 1
      where w.id = p_workspace_id and v_limit > coalesce(v_since, '-infinity')
        and exists (
          select from public.events e where e.workspace_id = p_workspace_id and e."timestamp" < v_limit);
    end if;
  end if;
  return jsonb_build_object('deleted', v_deleted, 'reached', v_reached);
end
$$;
revoke all on function public.retention_sweep from public, anon, authenticated;
grant execute on function public.retention_sweep to service_role;


-- What recording an event needs to know of its workspace: the projects by key, the prices, the settings, and the
-- hour its events are kept from. Null when the caller knows that version of it.
create or replace function public.workspace_terms(
  p_workspace_id uuid,
  p_known_version bigint
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select jsonb_build_object(
      'version', w.terms_version,
      'projects', (
        select coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'name', p.name, 'key', p.key)), '[]')
        from public.projects p
        where p.workspace_id = p_workspace_id),
      'prices', public.price_list(p_workspace_id, null),
      'settings', public.settings_one(p_workspace_id),
      'events_since', w.events_since)
    from public.workspaces w
    where w.id = p_workspace_id and w.terms_version is distinct from p_known_version
  );
end
$$;


-- Whether only the events tell what a budget has spent: the rollups know neither API keys nor which tags came together with
-- what else.
create function public.counted_by_event(p_budget public.budgets) returns boolean
language sql immutable parallel safe
return p_budget.api_key_id is not null or (
  p_budget.tag_key is not null
  and (p_budget.project_key is not null or p_budget.provider is not null or p_budget.model_like is not null));
revoke all on function public.counted_by_event from public, anon, authenticated;
grant execute on function public.counted_by_event to service_role;


-- What budget_periods must say, but for those periods of budgets counted by event that begin before the events do. Every
-- midnight begins a bucket, so a bucket lies in one period whole.
create or replace view public.budget_periods_recount with (security_invoker = true) as
select c.workspace_id, c.budget_id, c.period_start, sum(c.cost) as spend, sum(c.unpriced_calls)::bigint as unpriced_calls
from (
  select b.workspace_id, b.id as budget_id, public.period_start(b, s.bucket) as period_start, s.cost, s.unpriced_calls
  from public.budgets b
  join public.spend_hourly s on s.workspace_id = b.workspace_id
    and (b.project_key is null or s.project = b.project_key)
    and (b.provider is null or s.provider = b.provider)
    and (b.model_like is null or s.model ilike b.model_like)
  where b.tag_key is null and not public.counted_by_event(b)
  union all
  select b.workspace_id, b.id, public.period_start(b, t.bucket), t.cost, t.unpriced_calls
  from public.budgets b
  join public.spend_by_tag t on t.workspace_id = b.workspace_id and t.key = b.tag_key and t.value = b.tag_value
  where b.tag_key is not null and not public.counted_by_event(b)
  union all
  select b.workspace_id, b.id, public.period_start(b, e."timestamp"), coalesce(e.cost, 0), (e.cost is null)::integer
  from public.budgets b
  join public.events e on e.workspace_id = b.workspace_id
    and (b.project_key is null or e.project = b.project_key)
    and (b.provider is null or e.provider = b.provider)
    and (b.model_like is null or e.model ilike b.model_like)
    and (b.tag_key is null or e.tags ->> b.tag_key = b.tag_value)
    and (b.api_key_id is null or e.api_key_id = b.api_key_id)
  where public.counted_by_event(b)
) c
group by 1, 2, 3;


-- How many rollup rows of one workspace since a moment differ from a recount of its events, and how many of its days and
-- periods of its budgets from a recount of the rollups; 0 is the only good answer. What lies before the hour that its
-- events are kept from is not recounted.
create or replace function public.rollup_differences(
  p_workspace_id uuid,
  p_since timestamptz
) returns bigint
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_kept timestamptz := (
    select coalesce(w.events_since, '-infinity') from public.workspaces w where w.id = p_workspace_id);
  v_since timestamptz := greatest(p_since, v_kept);
begin
  return (
    select count(*)
    from (select * from public.spend_hourly where workspace_id = p_workspace_id and bucket >= v_since) kept
    full join (select * from public.spend_hourly_recount
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
    full join (select * from public.spend_by_tag_recount
               where workspace_id = p_workspace_id and bucket >= v_since) counted
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
    join public.budgets b on b.workspace_id = p_workspace_id and b.id = budget_id
    where (kept.spend, kept.unpriced_calls) is distinct from (counted.spend, counted.unpriced_calls)
      and (period_start >= v_kept or not public.counted_by_event(b))
  );
end
$$;


-- Makes the rollups of one workspace anew from the events since a moment, and its days and the periods of its budgets
-- from those.
-- Its writers wait meanwhile. Rollups from before that moment stay, and so do those from before the hour that its events
-- are kept from.
create or replace function public.rebuild_rollups(
  p_workspace_id uuid,
  p_since timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
declare
  v_kept timestamptz;
  v_since timestamptz;
begin
  perform public.lock_totals(p_workspace_id, true);
  select coalesce(w.events_since, '-infinity') into v_kept from public.workspaces w where w.id = p_workspace_id;
  v_since := greatest(p_since, v_kept);
  delete from public.spend_hourly where workspace_id = p_workspace_id and bucket >= v_since;
  insert into public.spend_hourly
  select * from public.spend_hourly_recount where workspace_id = p_workspace_id and bucket >= v_since;
  delete from public.spend_by_tag where workspace_id = p_workspace_id and bucket >= v_since;
  insert into public.spend_by_tag
  select * from public.spend_by_tag_recount where workspace_id = p_workspace_id and bucket >= v_since;
  delete from public.spend_daily where workspace_id = p_workspace_id;
  insert into public.spend_daily select * from public.spend_daily_recount where workspace_id = p_workspace_id;
  delete from public.budget_periods p
  using public.budgets b
  where p.workspace_id = p_workspace_id and b.workspace_id = p_workspace_id and b.id = p.budget_id
    and (p.period_start >= v_kept or not public.counted_by_event(b));
  insert into public.budget_periods
  select r.*
  from public.budget_periods_recount r
  join public.budgets b on b.workspace_id = p_workspace_id and b.id = r.budget_id
  where r.workspace_id = p_workspace_id and (r.period_start >= v_kept or not public.counted_by_event(b));
end
$$;


-- Sets the budget of a scope and period; an existing one keeps its id. Its periods are counted anew, for its time zone
-- may have changed, and a threshold that the current period has crossed already makes its alert. Answers as budget_list
-- does, for it alone.
create or replace function public.budget_set(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_budget_id uuid,
  p_user_id uuid,
  p_name text,
  p_limit numeric,
  p_period text,
  p_starts_on date,
  p_days integer,
  p_project text,
  p_provider text,
  p_model text,
  p_model_like text,
  p_tag_key text,
  p_tag_value text,
  p_api_key_id uuid,
  p_hard boolean,
  p_thresholds numeric[],
  p_tz text,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_project text := public.project_key(p_workspace_id, p_project);
  v_scope jsonb;
  v_before public.budgets;
  v_budget public.budgets;
  v_kept timestamptz := '-infinity';
begin
  perform public.lock_totals(p_workspace_id, true);
  if p_project is not null and v_project is null then
    raise exception 'Project not found' using errcode = 'PT404';
  end if;
  if p_api_key_id is not null and not exists (
      select from public.api_keys k where k.workspace_id = p_workspace_id and k.id = p_api_key_id) then
    raise exception 'API key not found' using errcode = 'PT404';
  end if;
  v_scope := jsonb_strip_nulls(jsonb_build_object(
    'project', v_project, 'provider', p_provider, 'model', p_model_like, 'tag_key', p_tag_key,
    'tag_value', p_tag_value, 'api_key', p_api_key_id));
  select * into v_before
  from public.budgets b
  where b.workspace_id = p_workspace_id and b.scope = v_scope and b.period = p_period;
  insert into public.budgets as b
    (workspace_id, id, user_id, name, "limit", period, starts_on, days, scope, project_key, provider, model,
     model_like, tag_key, tag_value, api_key_id, hard, thresholds, tz, created_at, updated_at)
  values
    (p_workspace_id, p_budget_id, p_user_id, p_name, p_limit, p_period, p_starts_on, p_days, v_scope, v_project,
     p_provider, p_model, p_model_like, p_tag_key, p_tag_value, p_api_key_id, p_hard, p_thresholds, p_tz, p_now, p_now)
  on conflict (workspace_id, scope, period) do update set
    name = excluded.name, "limit" = excluded."limit", starts_on = excluded.starts_on, days = excluded.days,
    model = excluded.model, hard = excluded.hard, thresholds = excluded.thresholds, tz = excluded.tz,
    updated_at = excluded.updated_at
  returning * into v_budget;
  if (select count(*) from public.budgets b where b.workspace_id = p_workspace_id) > 1000 then
    raise exception 'A workspace has at most 1,000 budgets' using errcode = 'PT409';
  end if;
  if public.counted_by_event(v_budget)
      and (v_before.tz, v_before.starts_on, v_before.days)
        is not distinct from (v_budget.tz, v_budget.starts_on, v_budget.days) then
    -- The same periods as before: those whose events are gone keep what they have counted.
    select coalesce(w.events_since, '-infinity') into v_kept from public.workspaces w where w.id = p_workspace_id;
  end if;
  delete from public.budget_periods p
  where p.workspace_id = p_workspace_id and p.budget_id = v_budget.id and p.period_start >= v_kept;
  insert into public.budget_periods
  select *
  from public.budget_periods_recount r
  where r.workspace_id = p_workspace_id and r.budget_id = v_budget.id and r.period_start >= v_kept;
  insert into public.alerts
    (workspace_id, id, kind, subject, budget_id, period_start, threshold, spend, created_at)
  select p_workspace_id, gen_random_uuid(), 'budget', p_name, v_budget.id, p.period_start, t.threshold, p.spend, p_now
  from public.budget_periods p
  cross join lateral unnest(p_thresholds) as t (threshold)
  where p.workspace_id = p_workspace_id and p.budget_id = v_budget.id
    and p.period_start = public.period_start(v_budget, p_now) and p.spend >= p_limit * t.threshold / 100
  order by t.threshold
  on conflict do nothing;
  perform public.note(
    p_workspace_id, p_actor_id, 'budget.set', p_name,
    jsonb_build_object('id', v_budget.id, 'limit', p_limit::text, 'period', p_period, 'scope', v_scope, 'hard', p_hard,
                       'thresholds', p_thresholds, 'tz', p_tz), p_now);
  return public.budget_list(p_workspace_id, v_budget.id, p_now);
end
$$;


-- The newest migration this schema has had. Every migration that follows replaces it.
create or replace function public.schema_version() returns text
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return '20261121001250';
end
$$;
