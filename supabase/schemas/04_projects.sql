-- Projects: what events are filed under. The name can change; the events stay where they are.

create table public.projects (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  -- The value in events.project and in the rollups: the first name, or the id where that was taken. It never changes.
  key text not null,
  name text not null,
  created_at timestamptz not null,
  archived_at timestamptz,
  primary key (workspace_id, id),
  unique (workspace_id, key),
  unique (workspace_id, name)
);
alter table public.projects alter column workspace_id set statistics 0;
alter table public.projects enable row level security;


-- The key of the project with this name or id; null when there is none.
create function llmlab_private.project_key(
  p_workspace_id uuid,
  p_name text
) returns text
language sql stable parallel safe security invoker set search_path = ''
as $$
  select coalesce(
    (select p.key from public.projects p where p.workspace_id = p_workspace_id and p.name = p_name),
    (select p.key from public.projects p
     where p.workspace_id = p_workspace_id
       and p.id = case when p_name ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then p_name::uuid end))
$$;


-- Creates the projects that do not exist yet and answers with their ids. Refused beyond 10,000 projects.
create function public.project_create(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_names text[],
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
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
  perform llmlab_private.audit_write(p_workspace_id, p_actor_id, 'project.created', p.name, '{}', p_now)
  from public.projects p
  where p.workspace_id = p_workspace_id and p.id = any (v_made);
  if (select count(*) from public.projects p where p.workspace_id = p_workspace_id) > 10000 then
    raise exception 'A workspace has at most 10,000 projects' using errcode = 'PT409';
  end if;
  return to_jsonb(coalesce(v_made, '{}'));
end
$$;


-- Projects by name, after p_after, with the cost of each in the range; archived ones only when p_archived is true.
create function public.project_list(
  p_workspace_id uuid,
  p_project_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_archived boolean,
  p_after text,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    with page as materialized (
      select *
      from public.projects p
      where p.workspace_id = p_workspace_id and (p_after is null or p.name collate "C" > p_after)
        and case when p_project_id is null then p_archived or p.archived_at is null else p.id = p_project_id end
      order by p.name collate "C"
      limit p_limit
    ),
    -- By key, since a join could compare every project with every other.
    spend as materialized (
      select jsonb_object_agg(s.project, jsonb_build_object(
        'cost', s.cost::text, 'calls', s.calls, 'unpriced_calls', s.unpriced_calls)) as by_project
      from (
        select c.project, sum(c.cost) as cost, sum(c.calls) as calls, sum(c.unpriced_calls) as unpriced_calls
        from llmlab_private.spend_cells(p_workspace_id, p_start, p_end, true) c
        group by 1
      ) s
    )
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', p.id, 'name', p.name, 'archived', p.archived_at is not null, 'created_at', p.created_at,
      'total_cost', coalesce(s.by_project -> p.key ->> 'cost', '0'),
      'call_count', coalesce(s.by_project -> p.key -> 'calls', '0'),
      'unpriced_calls', coalesce(s.by_project -> p.key -> 'unpriced_calls', '0')) order by p.name collate "C"), '[]')
    from page p
    cross join spend s
  );
end
$$;


-- Renames, archives or restores a project; a null changes nothing.
create function public.project_update(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_project_id uuid,
  p_name text,
  p_archived boolean,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
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
    perform llmlab_private.audit_write(
      p_workspace_id, p_actor_id, 'project.renamed', p_name, jsonb_build_object('before', v_before.name), p_now);
  end if;
  if p_archived <> (v_before.archived_at is not null) then
    perform llmlab_private.audit_write(
      p_workspace_id, p_actor_id, case when p_archived then 'project.archived' else 'project.restored' end,
      coalesce(p_name, v_before.name), '{}', p_now);
  end if;
end
$$;
