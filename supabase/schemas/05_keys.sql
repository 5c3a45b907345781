-- API keys, which applications call with, and a team's own keys at its providers.

create table public.api_keys (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  name text not null,
  -- SHA-256 of the key, in hex: the key is 256 random bits, so a slower hash is not needed and the lookup uses the
  -- index.
  key_hash text not null unique,
  last_four text not null,
  scopes text[] not null,
  -- The project of events without one.
  project_id uuid,
  created_by uuid not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  last_used_at timestamptz,
  -- Revoked keys stay, so that the audit log and the events can still name them.
  revoked_at timestamptz,
  primary key (workspace_id, id),
  foreign key (workspace_id, project_id) references public.projects
);
alter table public.api_keys alter column workspace_id set statistics 0;
alter table public.api_keys enable row level security;
-- For the check of each project that is deleted with its workspace.
create index api_keys_project_id_idx on public.api_keys (workspace_id, project_id);

-- Encrypted by the server before they are stored.
create table public.provider_keys (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  provider text not null,
  name text not null,
  -- Base64 of the output of utils/cipher.py; it decrypts only for this workspace and id.
  ciphertext text not null,
  last_four text not null,
  created_by uuid not null,
  created_at timestamptz not null,
  primary key (workspace_id, id),
  unique (workspace_id, provider, name)
);
alter table public.provider_keys alter column workspace_id set statistics 0;
alter table public.provider_keys enable row level security;


-- What a key may do and where; null when it does not exist, was revoked or has expired. Records that it was used, at
-- most once a minute. Only the key identifies the workspace.
create function public.api_key_use(
  p_key_hash text,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
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


-- The keys that are not revoked, newest first; only one when p_key_id names it. Each with the number of its requests
-- that limits have refused in the last 24 hours.
create function public.api_key_list(
  p_workspace_id uuid,
  p_key_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    -- Materialized, because the refusals are read once for all keys.
    with refused as materialized (
      select s.caller_id,
        jsonb_agg(jsonb_build_object('limit', s.limit_name, 'requests', s.requests) order by s.limit_name) as limits
      from (
        select r.caller_id, r.limit_name, sum(r.requests) as requests
        from public.refusals r
        where r.workspace_id = p_workspace_id and r.hour > p_now - interval '24 hours'
        group by r.caller_id, r.limit_name
      ) s
      group by s.caller_id
    )
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', k.id, 'name', k.name, 'last_four', k.last_four, 'scopes', k.scopes,
      'project', (select p.name from public.projects p where p.workspace_id = p_workspace_id and p.id = k.project_id),
      'created_by', k.created_by, 'created_at', k.created_at, 'expires_at', k.expires_at,
      'last_used_at', k.last_used_at, 'refused', coalesce(r.limits, '[]')) order by k.created_at desc, k.id), '[]')
    from public.api_keys k
    left join refused r on r.caller_id = k.id
    where k.workspace_id = p_workspace_id and k.revoked_at is null and (p_key_id is null or k.id = p_key_id)
  );
end
$$;


-- Creates a key. Its project, given by name or id, must exist. Refused beyond 1,000 keys.
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
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
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
  where p.workspace_id = p_workspace_id and p.key = llmlab_private.project_key(p_workspace_id, p_project);
  if p_project is not null and not found then
    raise exception 'Project not found' using errcode = 'PT404';
  end if;
  insert into public.api_keys
    (workspace_id, id, name, key_hash, last_four, scopes, project_id, created_by, created_at, expires_at)
  values
    (p_workspace_id, p_key_id, p_name, p_key_hash, p_last_four, p_scopes, v_project.id, p_user_id, p_now, p_expires_at);
  perform llmlab_private.audit_write(
    p_workspace_id, p_actor_id, 'key.created', p_name,
    jsonb_build_object('id', p_key_id, 'scopes', p_scopes, 'project', v_project.name, 'expires_at', p_expires_at),
    p_now);
  return public.api_key_list(p_workspace_id, p_key_id, p_now);
end
$$;


-- Renames a key.
create function public.api_key_rename(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_key_id uuid,
  p_name text,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
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
  perform llmlab_private.audit_write(
    p_workspace_id, p_actor_id, 'key.renamed', p_name, jsonb_build_object('id', p_key_id, 'before', v_before), p_now);
  return public.api_key_list(p_workspace_id, p_key_id, p_now);
end
$$;


-- Revokes a key permanently.
create function public.api_key_revoke(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_key_id uuid,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
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
  perform llmlab_private.audit_write(
    p_workspace_id, p_actor_id, 'key.revoked', v_name, jsonb_build_object('id', p_key_id), p_now);
end
$$;


-- The keys without their secrets, by provider and name.
create function public.provider_key_list(
  p_workspace_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', k.id, 'provider', k.provider, 'name', k.name, 'last_four', k.last_four, 'created_by', k.created_by,
      'created_at', k.created_at) order by k.provider, k.name), '[]')
    from public.provider_keys k
    where k.workspace_id = p_workspace_id
  );
end
$$;


-- Stores a key. Refused when the provider already has one of this name, and beyond 100 keys.
create function public.provider_key_create(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_user_id uuid,
  p_key_id uuid,
  p_provider text,
  p_name text,
  p_ciphertext text,
  p_last_four text,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  perform from public.workspaces w where w.id = p_workspace_id for no key update;
  if (select count(*) from public.provider_keys k where k.workspace_id = p_workspace_id) >= 100 then
    raise exception 'A workspace has at most 100 provider keys' using errcode = 'PT409';
  end if;
  insert into public.provider_keys
    (workspace_id, id, provider, name, ciphertext, last_four, created_by, created_at)
  values (p_workspace_id, p_key_id, p_provider, p_name, p_ciphertext, p_last_four, p_user_id, p_now)
  on conflict (workspace_id, provider, name) do nothing;
  if not found then
    raise exception 'This provider already has a key with this name' using errcode = 'PT409';
  end if;
  perform llmlab_private.audit_write(
    p_workspace_id, p_actor_id, 'provider_key.created', p_name,
    jsonb_build_object('id', p_key_id, 'provider', p_provider, 'last_four', p_last_four), p_now);
end
$$;


-- Deletes a key.
create function public.provider_key_delete(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_key_id uuid,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
declare
  v_deleted public.provider_keys;
begin
  delete from public.provider_keys k
  where k.workspace_id = p_workspace_id and k.id = p_key_id
  returning * into v_deleted;
  if not found then
    raise exception 'Provider key not found' using errcode = 'PT404';
  end if;
  perform llmlab_private.audit_write(
    p_workspace_id, p_actor_id, 'provider_key.deleted', v_deleted.name,
    jsonb_build_object('id', p_key_id, 'provider', v_deleted.provider), p_now);
end
$$;


-- The encrypted keys of one workspace, for encrypting them with another key.
create function public.provider_key_ciphertexts(
  p_workspace_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', k.id, 'ciphertext', k.ciphertext) order by k.id), '[]')
    from public.provider_keys k
    where k.workspace_id = p_workspace_id
  );
end
$$;


-- Replaces a key's ciphertext; false when it has changed in the meantime.
create function public.provider_key_reencrypt(
  p_workspace_id uuid,
  p_key_id uuid,
  p_before text,
  p_after text
) returns boolean
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  update public.provider_keys k set ciphertext = p_after
  where k.workspace_id = p_workspace_id and k.id = p_key_id and k.ciphertext = p_before;
  return found;
end
$$;
