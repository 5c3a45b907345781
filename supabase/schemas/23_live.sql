-- Live updates: the number of changes of each workspace. They are counted a moment after the change and for many
-- changes at once: counting or notifying in the transaction of every event would make those wait for one another.

create table public.changes (
  workspace_id uuid primary key references public.workspaces on delete cascade,
  version bigint not null,
  changed_at timestamptz not null,
  -- By kind, the version with which something of that kind last changed.
  kinds jsonb not null
) with (fillfactor = 50);
alter table public.changes alter column workspace_id set statistics 0;
alter table public.changes enable row level security;


-- Counts changes of several workspaces, one kind for each, and notifies every server process. The workspaces are locked
-- in the order of their ids, so that two servers cannot wait for each other; one that no longer exists is left out.
create function public.changes_note(
  p_workspace_ids uuid[],
  p_kinds text[],
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
as $$
declare
  v_changes jsonb;
begin
  with noted as (
    insert into public.changes as c (workspace_id, version, changed_at, kinds)
    select w.id, 1, p_now, jsonb_object_agg(n.kind, 1)
    from unnest(p_workspace_ids, p_kinds) as n (workspace_id, kind)
    join public.workspaces w on w.id = n.workspace_id
    group by w.id
    order by w.id
    on conflict (workspace_id) do update set
      version = c.version + 1,
      changed_at = greatest(c.changed_at, excluded.changed_at),
      kinds = c.kinds || (
        select jsonb_object_agg(k.kind, c.version + 1) from jsonb_object_keys(excluded.kinds) k (kind)
      )
    returning c.*
  )
  select coalesce(jsonb_agg(to_jsonb(noted)), '[]') into v_changes from noted;
  perform pg_notify('llmlab_changes', change::text) from jsonb_array_elements(v_changes) change;
  return v_changes;
end
$$;


-- The number of changes of these workspaces, including those without any; one that no longer exists is left out.
create function public.changes_of(
  p_workspace_ids uuid[]
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '5s'
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'workspace_id', w.id, 'version', coalesce(c.version, 0), 'changed_at', coalesce(c.changed_at, w.created_at),
      'kinds', coalesce(c.kinds, '{}'))), '[]')
    from public.workspaces w
    left join public.changes c on c.workspace_id = w.id
    where w.id = any (p_workspace_ids)
  );
end
$$;
