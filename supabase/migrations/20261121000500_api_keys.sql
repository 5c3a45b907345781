-- API keys: what applications call with.

create table public.api_keys (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  name text not null,
  -- SHA-256 of the key, in hex: the key itself is 256 random bits, so nothing slower is needed, and it is found at once.
  key_hash text not null unique,
  last_four text not null,
  scopes text[] not null,
  -- The project of events that name none.
  project_id uuid,
  created_by uuid not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  last_used_at timestamptz,
  -- A revoked key stays, so that what it did keeps its name.
  revoked_at timestamptz,
  primary key (workspace_id, id),
  foreign key (workspace_id, project_id) references public.projects
);
alter table public.api_keys enable row level security;
revoke all on public.api_keys from public, anon, authenticated;
grant select, insert, update, delete on public.api_keys to service_role;


-- What a key may do and where; null when there is none, it was revoked or its time is over. Notes that it was used, once
-- a minute. It looks across workspaces: only the key says which one.
create function public.api_key_use(
  p_key_hash text,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
begin
  update public.api_keys k set last_used_at = p_now
  where k.key_hash = p_key_hash and k.revoked_at is null and coalesce(k.expires_at > p_now, true)
    and coalesce(k.last_used_at < p_now - interval '1 minute', true);
  return (
    select jsonb_build_object(
      'id', k.id, 'workspace_id', k.workspace_id, 'created_by', k.created_by, 'scopes', k.scopes, 'project', p.key)
    from public.api_keys k
    left join public.projects p on p.workspace_id = k.workspace_id and p.id = k.project_id
    where k.key_hash = p_key_hash and k.revoked_at is null and coalesce(k.expires_at > p_now, true)
  );
end
$$;
revoke all on function public.api_key_use from public, anon, authenticated;
grant execute on function public.api_key_use to service_role;


-- The keys that were not revoked, newest first; one if p_key_id names it.
create function public.api_key_list(
  p_workspace_id uuid,
  p_key_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', k.id, 'name', k.name, 'last_four', k.last_four, 'scopes', k.scopes, 'project', p.name,
      'created_by', k.created_by, 'created_at', k.created_at, 'expires_at', k.expires_at,
      'last_used_at', k.last_used_at) order by k.created_at desc, k.id), '[]')
    from public.api_keys k
    left join public.projects p on p.workspace_id = k.workspace_id and p.id = k.project_id
    where k.workspace_id = p_workspace_id and k.revoked_at is null and (p_key_id is null or k.id = p_key_id)
  );
end
$$;
revoke all on function public.api_key_list from public, anon, authenticated;
grant execute on function public.api_key_list to service_role;


-- A new key. Its project, named by name or id, must exist. Refused beyond 1,000 keys.
create function public.api_key_create(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_user_id uuid,
  p_key_id uuid,
  p_name text,
  p_key_hash text,
  p_last_four text,
  p_scopes text[],
  p_project text,
  p_now timestamptz,
  p_expires_at timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_project public.projects;
begin
  perform from public.workspaces w where w.id = p_workspace_id for no key update;
  if (select count(*) from public.api_keys k
      where k.workspace_id = p_workspace_id and k.revoked_at is null) >= 1000 then
    raise exception 'A workspace has at most 1,000 API keys' using errcode = 'PT409';
  end if;
  select * into v_project from public.projects p
  where p.workspace_id = p_workspace_id and p.key = public.project_key(p_workspace_id, p_project);
  if p_project is not null and not found then
    raise exception 'Project not found' using errcode = 'PT404';
  end if;
  insert into public.api_keys
    (workspace_id, id, name, key_hash, last_four, scopes, project_id, created_by, created_at, expires_at)
  values
    (p_workspace_id, p_key_id, p_name, p_key_hash, p_last_four, p_scopes, v_project.id, p_user_id, p_now, p_expires_at);
  perform public.note(
    p_workspace_id, p_actor_id, 'key.created', p_name,
    jsonb_build_object('id', p_key_id, 'scopes', p_scopes, 'project', v_project.name, 'expires_at', p_expires_at), p_now);
  return public.api_key_list(p_workspace_id, p_key_id);
end
$$;
revoke all on function public.api_key_create from public, anon, authenticated;
grant execute on function public.api_key_create to service_role;


-- Gives a key another name.
create function public.api_key_rename(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_key_id uuid,
  p_name text,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_before text;
begin
  select k.name into v_before from public.api_keys k
  where k.workspace_id = p_workspace_id and k.id = p_key_id and k.revoked_at is null
  for update;
  if not found then
    raise exception 'API key not found' using errcode = 'PT404';
  end if;
  update public.api_keys k set name = p_name where k.workspace_id = p_workspace_id and k.id = p_key_id;
  perform public.note(
    p_workspace_id, p_actor_id, 'key.renamed', p_name, jsonb_build_object('id', p_key_id, 'before', v_before), p_now);
  return public.api_key_list(p_workspace_id, p_key_id);
end
$$;
revoke all on function public.api_key_rename from public, anon, authenticated;
grant execute on function public.api_key_rename to service_role;


-- Ends a key for good.
create function public.api_key_revoke(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_key_id uuid,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
declare
  v_name text;
begin
  update public.api_keys k set revoked_at = p_now
  where k.workspace_id = p_workspace_id and k.id = p_key_id and k.revoked_at is null
  returning k.name into v_name;
  if not found then
    raise exception 'API key not found' using errcode = 'PT404';
  end if;
  perform public.note(
    p_workspace_id, p_actor_id, 'key.revoked', v_name, jsonb_build_object('id', p_key_id), p_now);
end
$$;
revoke all on function public.api_key_revoke from public, anon, authenticated;
grant execute on function public.api_key_revoke to service_role;
