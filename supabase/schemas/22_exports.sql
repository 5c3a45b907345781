-- Exports: the archive of a workspace, and events and daily costs page by page, each as columns.


-- The small parts of an export: the workspace itself, its settings, members, invitations, projects, keys, prices,
-- budgets and alerts.
create function public.export_workspace(
  p_workspace_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '5s'
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
      select coalesce(jsonb_agg(a.alert order by a.created_at, a.id), '[]')
      from llmlab_private.alerts_as_json a
      where a.workspace_id = p_workspace_id));
end
$$;


-- The first totals by bucket after the given position, as one array.
create function public.export_spend(
  p_workspace_id uuid,
  p_after_bucket timestamptz,
  p_after_project text,
  p_after_provider text,
  p_after_model text,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '5s'
-- A page is read in the order of the primary key. When the planner expects few rows, it would read and sort all of them.
set enable_sort = off
as $$
begin
  return (
    select coalesce(jsonb_agg(
      to_jsonb(page) - 'workspace_id' || jsonb_build_object(
        'cost', page.cost::text, 'error_cost', page.error_cost::text, 'latency_ms_sum', page.latency_ms_sum::text)
      order by page.bucket, page.project, page.provider, page.model), '[]')
    from (
      select s.*
      from public.spend_hourly s
      where s.workspace_id = p_workspace_id
        and (s.bucket, s.project, s.provider, s.model) > (
          coalesce(p_after_bucket, '-infinity'), coalesce(p_after_project, ''), coalesce(p_after_provider, ''),
          coalesce(p_after_model, ''))
      order by s.bucket, s.project, s.provider, s.model
      limit p_limit
    ) page
  );
end
$$;


-- The newest events that match the filters (null matches all) before the given position, as JSON in which every column
-- is an array; null when there are none. It is text, so that the caller can parse it outside the event loop. Times are
-- UTC without an offset; amounts and nested JSON are text. A project is given by name or id.
create function public.export_events(
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
) returns text
language plpgsql stable security invoker set search_path = '' set statement_timeout = '5s'
-- A page is read in the order of its index. When the planner expects few rows, it would read and sort all of them.
set enable_sort = off
as $$
declare
  v_project text := llmlab_private.project_key(p_workspace_id, p_project);
begin
  return (
    select json_build_object(
      'event_id', json_agg(page.id),
      'timestamp', json_agg(page.at),
      'tracked_at', json_agg(page.created_at),
      'user_id', json_agg(page.user_id),
      'project', json_agg(page.project),
      'provider', json_agg(page.provider),
      'model', json_agg(page.model),
      'input_tokens', json_agg(page.prompt_tokens),
      'cache_read_tokens', json_agg(page.cache_read_tokens),
      'cache_write_tokens', json_agg(page.cache_write_5m_tokens),
      'cache_write_1h_tokens', json_agg(page.cache_write_1h_tokens),
      'output_tokens', json_agg(page.output_tokens),
      'reasoning_tokens', json_agg(page.reasoning_tokens),
      'total_tokens', json_agg(page.prompt_tokens + page.output_tokens),
      'cost', json_agg(page.cost),
      'pricing', json_agg(page.pricing),
      'latency_ms', json_agg(page.latency_ms),
      'status', json_agg(page.status),
      'error_message', json_agg(page.error_message),
      'tags', json_agg(page.tags),
      'metadata', json_agg(page.metadata),
      'usage_detail', json_agg(page.usage_detail),
      'policy_violations', json_agg(page.policy_violations),
      'reservation_id', json_agg(page.reservation_id),
      'unchecked', json_agg(page.unchecked),
      'corrected_at', json_agg(page.corrected_at))
    from (
      select e.id, e."timestamp" at time zone 'UTC' as at, e.created_at at time zone 'UTC' as created_at, e.user_id,
        (select p.name from public.projects p
         where p.workspace_id = p_workspace_id and p.key = e.project) as project,
        e.provider, e.model,
        e.input_tokens::bigint + e.cache_read_tokens + e.cache_write_5m_tokens + e.cache_write_1h_tokens
          as prompt_tokens,
        e.cache_read_tokens, e.cache_write_5m_tokens, e.cache_write_1h_tokens, e.output_tokens, e.reasoning_tokens,
        trim_scale(e.cost)::text as cost, e.pricing, e.latency_ms, e.status, e.error_message,
        coalesce(e.tags, '{}')::text as tags, coalesce(e.metadata, '{}')::text as metadata,
        coalesce(e.usage_detail, '{}')::text as usage_detail,
        coalesce(to_jsonb(e.policy_violations), '[]')::text as policy_violations, e.reservation_id,
        coalesce(e.unchecked, false) as unchecked, e.corrected_at at time zone 'UTC' as corrected_at
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
    having count(*) > 0
  );
end
$$;


-- What each project spent on each model on one day, the first after the given position that has any, in the form of
-- export_events: with the part of that day within the range and the workspace's name. Days start in p_tz. A cost is
-- null where no call has a price.
create function public.export_costs(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_tz text,
  p_after_date date,
  p_after_project text,
  p_after_provider text,
  p_after_model text,
  p_limit integer
) returns text
language plpgsql stable security invoker set search_path = '' set statement_timeout = '5s'
as $$
declare
  v_date date;
  v_start timestamptz;
  v_end timestamptz;
begin
  select (s.bucket at time zone p_tz)::date into v_date
  from public.spend_hourly s
  where s.workspace_id = p_workspace_id
    and s.bucket >= greatest(p_start, p_after_date::timestamp at time zone p_tz)
    and s.bucket < p_end
    and (p_after_date is null
      or s.bucket >= (p_after_date + 1)::timestamp at time zone p_tz
      or (s.project, s.provider, s.model) > (p_after_project, p_after_provider, p_after_model))
  order by s.bucket
  limit 1;
  if v_date is null then
    return null;
  end if;
  v_start := greatest(p_start, v_date::timestamp at time zone p_tz);
  v_end := least(p_end, (v_date + 1)::timestamp at time zone p_tz);
  return (
    select json_build_object(
      'workspace', (select w.name from public.workspaces w where w.id = p_workspace_id),
      'start', v_start at time zone 'UTC',
      'end', v_end at time zone 'UTC',
      'date', json_agg(v_date),
      'project', json_agg((
        select p.name from public.projects p where p.workspace_id = p_workspace_id and p.key = page.project)),
      'project_id', json_agg((
        select p.id from public.projects p where p.workspace_id = p_workspace_id and p.key = page.project)),
      'project_key', json_agg(page.project),
      'provider', json_agg(page.provider),
      'model', json_agg(page.model),
      'call_count', json_agg(page.calls),
      'error_count', json_agg(page.errors),
      'unpriced_calls', json_agg(page.unpriced_calls),
      'input_tokens', json_agg(page.prompt_tokens),
      'cache_read_tokens', json_agg(page.cache_read_tokens),
      'cache_write_tokens', json_agg(page.cache_write_5m_tokens),
      'cache_write_1h_tokens', json_agg(page.cache_write_1h_tokens),
      'output_tokens', json_agg(page.output_tokens),
      'reasoning_tokens', json_agg(page.reasoning_tokens),
      'total_tokens', json_agg(page.prompt_tokens + page.output_tokens),
      'total_cost', json_agg(page.cost))
    from (
        select s.project, s.provider, s.model, sum(s.calls) as calls, sum(s.errors) as errors,
          sum(s.unpriced_calls) as unpriced_calls,
          sum(s.input_tokens + s.cache_read_tokens + s.cache_write_5m_tokens + s.cache_write_1h_tokens)
            as prompt_tokens,
          sum(s.cache_read_tokens) as cache_read_tokens, sum(s.cache_write_5m_tokens) as cache_write_5m_tokens,
          sum(s.cache_write_1h_tokens) as cache_write_1h_tokens, sum(s.output_tokens) as output_tokens,
          sum(s.reasoning_tokens) as reasoning_tokens,
          case when sum(s.calls) > sum(s.unpriced_calls) then trim_scale(sum(s.cost))::text end as cost
        from public.spend_hourly s
        where s.workspace_id = p_workspace_id and s.bucket >= v_start and s.bucket < v_end
          and (p_after_date is distinct from v_date
            or (s.project, s.provider, s.model) > (p_after_project, p_after_provider, p_after_model))
        group by s.project, s.provider, s.model
        order by s.project, s.provider, s.model
        limit p_limit
    ) page
    having count(*) > 0
  );
end
$$;
