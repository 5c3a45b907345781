-- Projects: what events are filed under. The name can change and the events stay where they are.

create table public.projects (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  -- What events.project and the rollups hold: the first name, or the id where that was taken. It never changes.
  key text not null,
  name text not null,
  created_at timestamptz not null,
  archived_at timestamptz,
  primary key (workspace_id, id),
  unique (workspace_id, key),
  unique (workspace_id, name)
);
-- Counts the changes to what recording an event needs to know (see workspace_terms). Whoever makes one counts it first,
-- which also lets such changes happen one by one.
alter table public.workspaces add column terms_version bigint not null default 0;
alter table public.projects enable row level security;
revoke all on public.projects from public, anon, authenticated;
grant select, insert, update, delete on public.projects to service_role;

insert into public.projects (workspace_id, id, key, name, created_at)
select s.workspace_id, gen_random_uuid(), s.project, s.project, min(s.bucket)
from public.spend_hourly s
where s.project <> ''
group by s.workspace_id, s.project;


-- The key of the project of that name or id; null when there is none.
create function public.project_key(
  p_workspace_id uuid,
  p_name text
) returns text
language sql stable parallel safe security invoker set search_path = ''
as $$
  select p.key
  from public.projects p
  where p.workspace_id = p_workspace_id and (p.name = p_name or p.id::text = lower(p_name))
  order by p.name = p_name desc
  limit 1
$$;
revoke all on function public.project_key from public, anon, authenticated;
grant execute on function public.project_key to service_role;


-- Makes the projects of these names that are not there yet; their ids. Refused beyond 10,000 projects.
create function public.project_create(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_names text[],
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_made uuid[];
begin
  update public.workspaces w set terms_version = w.terms_version + 1 where w.id = p_workspace_id;
  with made as (
    insert into public.projects (workspace_id, id, key, name, created_at)
    select p_workspace_id, fresh.id,
      case when exists (select from public.projects p where p.workspace_id = p_workspace_id and p.key = fresh.name)
        then fresh.id::text else fresh.name end,
      fresh.name, p_now
    from (select gen_random_uuid() as id, name from (select distinct unnest(p_names) as name) distinct_names) fresh
    on conflict (workspace_id, name) do nothing
    returning id
  )
  select array_agg(m.id) into v_made from made m;
  perform public.note(p_workspace_id, p_actor_id, 'project.created', p.name, '{}', p_now)
  from public.projects p
  where p.workspace_id = p_workspace_id and p.id = any (v_made);
  if (select count(*) from public.projects p where p.workspace_id = p_workspace_id) > 10000 then
    raise exception 'A workspace has at most 10,000 projects' using errcode = 'PT409';
  end if;
  return to_jsonb(coalesce(v_made, '{}'));
end
$$;
revoke all on function public.project_create from public, anon, authenticated;
grant execute on function public.project_create to service_role;


-- Projects by name, from behind p_after, with what each cost in the range; archived ones only if asked for.
create function public.project_list(
  p_workspace_id uuid,
  p_project_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_archived boolean,
  p_after text,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    with spend as (
      select s.project, sum(s.cost) as cost, sum(s.calls) as calls, sum(s.unpriced_calls) as unpriced_calls
      from public.spend_cells(p_workspace_id, p_start, p_end, true) s
      group by 1
    )
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', p.id, 'name', p.name, 'archived', p.archived_at is not null, 'created_at', p.created_at,
      'total_cost', coalesce(s.cost, 0)::text, 'call_count', coalesce(s.calls, 0),
      'unpriced_calls', coalesce(s.unpriced_calls, 0)) order by p.name collate "C"), '[]')
    from (
      select *
      from public.projects p
      where p.workspace_id = p_workspace_id and (p_after is null or p.name collate "C" > p_after)
        and case when p_project_id is null then p_archived or p.archived_at is null else p.id = p_project_id end
      order by p.name collate "C"
      limit p_limit
    ) p
    left join spend s on s.project = p.key
  );
end
$$;
revoke all on function public.project_list from public, anon, authenticated;
grant execute on function public.project_list to service_role;


-- Renames, archives or brings back a project; what is null stays.
create function public.project_update(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_project_id uuid,
  p_name text,
  p_archived boolean,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
declare
  v_before public.projects;
begin
  update public.workspaces w set terms_version = w.terms_version + 1 where w.id = p_workspace_id;
  select * into v_before from public.projects p where p.workspace_id = p_workspace_id and p.id = p_project_id;
  if not found then
    raise exception 'Project not found' using errcode = 'PT404';
  end if;
  if exists (select from public.projects p
             where p.workspace_id = p_workspace_id and p.name = p_name and p.id <> p_project_id) then
    raise exception 'Another project has this name' using errcode = 'PT409';
  end if;
  update public.projects p
  set name = coalesce(p_name, p.name),
    archived_at = case when p_archived then coalesce(p.archived_at, p_now) when not p_archived then null
                       else p.archived_at end
  where p.workspace_id = p_workspace_id and p.id = p_project_id;
  if p_name <> v_before.name then
    perform public.note(p_workspace_id, p_actor_id, 'project.renamed', p_name,
                        jsonb_build_object('before', v_before.name), p_now);
  end if;
  if p_archived <> (v_before.archived_at is not null) then
    perform public.note(p_workspace_id, p_actor_id,
                        case when p_archived then 'project.archived' else 'project.restored' end,
                        coalesce(p_name, v_before.name), '{}', p_now);
  end if;
end
$$;
revoke all on function public.project_update from public, anon, authenticated;
grant execute on function public.project_update to service_role;


-- An event as the API shows it, its project by name. Money travels as text, so that no JSON reader on the way rounds it.
drop function public.event_json;
create function public.event_json(p_event public.events, p_project text) returns jsonb
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
  'tracked_at', p_event.created_at);
revoke all on function public.event_json from public, anon, authenticated;
grant execute on function public.event_json to service_role;


-- One event; null when this workspace has none with that id.
create or replace function public.event_one(
  p_workspace_id uuid,
  p_event_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select public.event_json(e, p.name)
    from public.events e
    left join public.projects p on p.workspace_id = e.workspace_id and p.key = e.project
    where e.workspace_id = p_workspace_id and e.id = p_event_id
  );
end
$$;


-- The newest events that pass the filters (null: any), from just before the given position, as one array. A project is
-- named by name or id.
create or replace function public.event_list(
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
      order by e."timestamp" desc, e.id desc
      limit p_limit
    ) page
    left join public.projects p on p.workspace_id = p_workspace_id and p.key = page.project
  );
end
$$;


-- Totals by project, dearest first; the calls without a project stand under null.
create or replace function public.cost_by_project(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    with spend as (
      select s.project, sum(s.calls) as calls, sum(s.unpriced_calls) as unpriced_calls, sum(s.cost) as cost,
        sum(s.tokens) as tokens
      from public.spend_cells(p_workspace_id, p_start, p_end, true) s
      group by 1
    )
    select jsonb_build_object(
      'date_range', jsonb_build_object('start', p_start, 'end', p_end),
      'project_costs', coalesce(jsonb_agg(jsonb_build_object(
        'project', p.name, 'total_cost', s.cost::text, 'call_count', s.calls,
        'total_tokens', s.tokens, 'unpriced_calls', s.unpriced_calls) order by s.cost desc, p.name), '[]'))
    from spend s
    left join public.projects p on p.workspace_id = p_workspace_id and p.key = s.project
  );
end
$$;


-- Totals by hour, day, week (from Monday) or month, empty ones too; p_by (model, provider, project or null) splits
-- each point. Hours are those of UTC, longer steps those of p_tz. A point may start before the range does.
create or replace function public.cost_timeseries(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_tz text,
  p_step text,
  p_by text
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_tz text := case when p_step = 'hour' then 'UTC' else p_tz end;
begin
  return (
    with cells as (
      select date_trunc(p_step, s."at" at time zone v_tz) as step,
        case p_by when 'model' then s.model when 'provider' then s.provider when 'project' then s.project end as name,
        sum(s.calls) as calls, sum(s.unpriced_calls) as unpriced_calls, sum(s.cost) as cost,
        sum(s.tokens) as tokens
      from public.spend_cells(p_workspace_id, p_start, p_end, p_tz = 'UTC' and p_step <> 'hour') s
      group by 1, 2
    ),
    points as (
      select series.step at time zone v_tz as start, coalesce(sum(c.calls), 0) as calls,
        coalesce(sum(c.unpriced_calls), 0) as unpriced_calls, coalesce(sum(c.cost), 0) as cost,
        coalesce(sum(c.tokens), 0) as tokens,
        coalesce(jsonb_agg(jsonb_build_object(
          'name', case p_by when 'project' then p.name else c.name end, 'total_cost', c.cost::text, 'call_count', c.calls, 'total_tokens', c.tokens,
          'unpriced_calls', c.unpriced_calls) order by c.cost desc, c.name)
          filter (where p_by is not null and c.calls is not null), '[]') as split
      from generate_series(
        date_trunc(p_step, p_start at time zone v_tz),
        (p_end - interval '1 microsecond') at time zone v_tz,
        ('1 ' || p_step)::interval) as series (step)
      left join cells c on c.step = series.step
      left join public.projects p on p_by = 'project' and p.workspace_id = p_workspace_id and p.key = c.name
      group by series.step
    )
    select jsonb_build_object(
      'bucket', p_step,
      'by', p_by,
      'date_range', jsonb_build_object('start', p_start, 'end', p_end),
      'points', coalesce(jsonb_agg(jsonb_build_object(
        'start', p.start, 'total_cost', p.cost::text, 'call_count', p.calls, 'total_tokens', p.tokens,
        'unpriced_calls', p.unpriced_calls, 'split', p.split) order by p.start), '[]'))
    from points p
  );
end
$$;
