-- What a workspace's settings say about calls: the guard refuses by them, and an event that breaks them is marked.

-- What of the policy a call broke, as it was when the call was recorded; null is nothing.
alter table public.events add column policy_violations text[];


-- A workspace's settings; the defaults while nobody has changed any.
create function public.settings_of(
  p_workspace_id uuid
) returns public.settings
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_settings public.settings;
begin
  select * into v_settings from public.settings s where s.workspace_id = p_workspace_id;
  if not found then
    v_settings.workspace_id := p_workspace_id;
    v_settings.claude_haiku_45_enabled := true;
    v_settings.disabled_models := '{}';
    v_settings.enable_caching := false;
    v_settings.tz := 'UTC';
  end if;
  return v_settings;
end
$$;
revoke all on function public.settings_of from public, anon, authenticated;
grant execute on function public.settings_of to service_role;


-- The settings as the API shows them.
create function public.settings_one(
  p_workspace_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return to_jsonb(public.settings_of(p_workspace_id)) - 'workspace_id';
end
$$;
revoke all on function public.settings_one from public, anon, authenticated;
grant execute on function public.settings_one to service_role;


-- Changes what p_changes, a JSON object, names, to null too; the rest stays. The audit log gets the old and the new value of
-- each. Answers as settings_one does.
create function public.settings_set(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_user_id uuid,
  p_changes text,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_before public.settings;
  v_after public.settings;
  v_changed jsonb;
begin
  update public.workspaces w set terms_version = w.terms_version + 1 where w.id = p_workspace_id;
  v_before := public.settings_of(p_workspace_id);
  v_after := jsonb_populate_record(v_before, p_changes::jsonb - 'workspace_id');
  select jsonb_object_agg(a.key, jsonb_build_object('old', b.value, 'new', a.value)) into v_changed
  from jsonb_each(to_jsonb(v_after)) a
  join jsonb_each(to_jsonb(v_before)) b on b.key = a.key
  where a.value <> b.value;
  if v_changed is not null then
    v_after.updated_by := p_user_id;
    v_after.updated_at := p_now;
    delete from public.settings s where s.workspace_id = p_workspace_id;
    insert into public.settings select v_after.*;
    perform public.note(p_workspace_id, p_actor_id, 'settings.changed', 'settings', v_changed, p_now);
  end if;
  return public.settings_one(p_workspace_id);
end
$$;
revoke all on function public.settings_set from public, anon, authenticated;
grant execute on function public.settings_set to service_role;


-- What recording an event needs to know of its workspace: the projects by key, the prices and the settings. Null when the
-- caller knows that version of it.
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
      'settings', public.settings_one(p_workspace_id))
    from public.workspaces w
    where w.id = p_workspace_id and w.terms_version is distinct from p_known_version
  );
end
$$;


-- An event as the API shows it, its project by name. Money travels as text, so that no JSON reader on the way rounds it.
create or replace function public.event_json(p_event public.events, p_project text) returns jsonb
language sql immutable parallel safe
return jsonb_build_object(
  'event_id', p_event.id,
  'user_id', p_event.user_id,
  'project', p_project,
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
  'tracked_at', p_event.created_at,
  'policy_violations', coalesce(p_event.policy_violations, '{}'));


-- Stores the events that are not there yet and adds just those to the rollups and to the periods of the budgets. What was
-- reserved for them is settled, and a threshold they cross or a model without a price makes an alert.
-- Answers with the stored event of every one that was there before, with its position in the arrays (from 0); the
-- others are recorded. What an event broke of the policy is one text, with commas. Rows are written in key order, so that
-- writers wait for one another and never deadlock.
drop function public.record_events;
create function public.record_events(
  p_workspace_id uuid,
  p_created_at timestamptz,
  p_ids uuid[],
  p_timestamps timestamptz[],
  p_user_ids uuid[],
  p_api_key_ids uuid[],
  p_reservation_ids uuid[],
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
  p_usage_details text[],
  p_policy_violations text[]
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
      g.usage_detail::jsonb, g.api_key_id, string_to_array(g.policy_violations, ',')
    from unnest(
      p_ids, p_timestamps, p_user_ids, p_api_key_ids, p_latencies_ms, p_input_tokens, p_cache_read_tokens,
      p_cache_write_5m_tokens, p_cache_write_1h_tokens, p_output_tokens, p_reasoning_tokens, p_costs, p_pricings,
      p_providers, p_models, p_projects, p_statuses, p_error_messages, p_tags, p_metadata, p_usage_details,
      p_policy_violations
    ) with ordinality as g (
      id, "timestamp", user_id, api_key_id, latency_ms, input_tokens, cache_read_tokens, cache_write_5m_tokens,
      cache_write_1h_tokens, output_tokens, reasoning_tokens, cost, pricing, provider, model,
      project, status, error_message, tags, metadata, usage_detail, policy_violations, position
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
  select array_agg(r.id) into v_recorded from recorded r;

  -- Most writers have nothing to do with what follows, and do not pay for it.
  if exists (select from public.budgets b where b.workspace_id = p_workspace_id) then
    perform public.count_against_budgets(p_workspace_id, v_recorded, p_created_at);
  end if;
  if array_position(p_costs, null) is not null then
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
  if array_remove(p_reservation_ids, null) <> '{}' then
    delete from public.reservations s
    using unnest(p_ids, p_reservation_ids) as g (id, reservation_id)
    where s.workspace_id = p_workspace_id and s.id = g.reservation_id and g.id = any (v_recorded);
  end if;

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
    select jsonb_agg(jsonb_build_object('position', d.position - 1, 'event', public.event_json(e, p.name))
                     order by d.position)
    from unnest(v_positions) as d (position)
    join public.events e on e.workspace_id = p_workspace_id and e.id = p_ids[d.position]
    left join public.projects p on p.workspace_id = e.workspace_id and p.key = e.project
  );
end
$$;
revoke all on function public.record_events from public, anon, authenticated;
grant execute on function public.record_events to service_role;


-- The newest events that pass the filters (null: any), from just before the given position, as one array. A project is
-- named by name or id.
drop function public.event_list;
create function public.event_list(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_provider text,
  p_model text,
  p_project text,
  p_status text,
  p_tag text,
  p_policy_violation text,
  p_before_timestamp timestamptz,
  p_before_id uuid,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_project text := public.project_key(p_workspace_id, p_project);
begin
  return (
    select coalesce(jsonb_agg(public.event_json(page.event, p.name) order by page."timestamp" desc, page.id desc), '[]')
    from (
      select e as event, e."timestamp", e.id, e.project
      from public.events e
      where e.workspace_id = p_workspace_id
        and e."timestamp" >= coalesce(p_start, '-infinity')
        and e."timestamp" < coalesce(p_end, 'infinity')
        and e."timestamp" <= coalesce(p_before_timestamp, 'infinity')
        and (p_before_id is null or (e."timestamp", e.id) < (p_before_timestamp, p_before_id))
        and (p_provider is null or e.provider = p_provider)
        and (p_model is null or e.model = p_model)
        and (p_project is null or e.project = v_project)
        and (p_status is null or e.status = p_status)
        and (p_tag is null or e.tags @> p_tag::jsonb)
        and (p_policy_violation is null or p_policy_violation = any (e.policy_violations))
      order by e."timestamp" desc, e.id desc
      limit p_limit
    ) page
    left join public.projects p on p.workspace_id = p_workspace_id and p.key = page.project
  );
end
$$;
revoke all on function public.event_list from public, anon, authenticated;
grant execute on function public.event_list to service_role;


-- What is few: the workspace itself, its settings, members, invitations, projects, keys, prices, budgets and alerts.
create or replace function public.export_workspace(
  p_workspace_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return jsonb_build_object(
    'workspace', (select jsonb_agg(to_jsonb(w)) from public.workspaces w where w.id = p_workspace_id),
    'settings', jsonb_build_array(public.settings_one(p_workspace_id)),
    'members', public.member_list(p_workspace_id),
    'invitations', public.invitation_list(p_workspace_id, p_now),
    'projects', (
      select coalesce(jsonb_agg(to_jsonb(p) - 'workspace_id' order by p.name), '[]')
      from public.projects p
      where p.workspace_id = p_workspace_id),
    'api_keys', (
      select coalesce(jsonb_agg(to_jsonb(k) - 'workspace_id' - 'key_hash' order by k.created_at, k.id), '[]')
      from public.api_keys k
      where k.workspace_id = p_workspace_id),
    'provider_keys', public.provider_key_list(p_workspace_id),
    'prices', public.price_list(p_workspace_id, null),
    'budgets', (
      select coalesce(jsonb_agg(to_jsonb(b) - 'workspace_id' || jsonb_build_object('limit', b."limit"::text)
                      order by b.created_at, b.id), '[]')
      from public.budgets b
      where b.workspace_id = p_workspace_id),
    'budget_periods', (
      select coalesce(jsonb_agg(to_jsonb(p) - 'workspace_id' || jsonb_build_object('spend', p.spend::text)
                      order by p.budget_id, p.period_start), '[]')
      from public.budget_periods p
      where p.workspace_id = p_workspace_id),
    'alert_channels', public.channel_list(p_workspace_id),
    'alerts', (
      select coalesce(jsonb_agg(public.alert_json(a) order by a.created_at, a.id), '[]')
      from public.alerts a
      where a.workspace_id = p_workspace_id));
end
$$;


create or replace function public.schema_version() returns text
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return '20261121001210';
end
$$;
