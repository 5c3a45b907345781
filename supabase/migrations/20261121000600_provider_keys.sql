-- A team's own keys at its providers, encrypted by the server before they come here.

create table public.provider_keys (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  provider text not null,
  name text not null,
  -- Base64 of what utils/cipher.py makes of the key; it opens only for this workspace and id.
  ciphertext text not null,
  last_four text not null,
  created_by uuid not null,
  created_at timestamptz not null,
  primary key (workspace_id, id),
  unique (workspace_id, provider, name)
);
alter table public.provider_keys enable row level security;
revoke all on public.provider_keys from public, anon, authenticated;
grant select, insert, update, delete on public.provider_keys to service_role;


-- The keys without their secrets, by provider and name.
create function public.provider_key_list(
  p_workspace_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = ''
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
revoke all on function public.provider_key_list from public, anon, authenticated;
grant execute on function public.provider_key_list to service_role;


-- Keeps a key. Refused when the provider already has one of that name, and beyond 100 keys.
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
language plpgsql security invoker set search_path = ''
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
    raise exception 'This provider already has a key of that name' using errcode = 'PT409';
  end if;
  perform public.note(
    p_workspace_id, p_actor_id, 'provider_key.created', p_name,
    jsonb_build_object('id', p_key_id, 'provider', p_provider, 'last_four', p_last_four), p_now);
end
$$;
revoke all on function public.provider_key_create from public, anon, authenticated;
grant execute on function public.provider_key_create to service_role;


-- Forgets a key.
create function public.provider_key_delete(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_key_id uuid,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
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
  perform public.note(
    p_workspace_id, p_actor_id, 'provider_key.deleted', v_deleted.name,
    jsonb_build_object('id', p_key_id, 'provider', v_deleted.provider), p_now);
end
$$;
revoke all on function public.provider_key_delete from public, anon, authenticated;
grant execute on function public.provider_key_delete to service_role;


-- The encrypted keys of one workspace: for encrypting them anew under another key.
create function public.provider_key_ciphertexts(
  p_workspace_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', k.id, 'ciphertext', k.ciphertext) order by k.id), '[]')
    from public.provider_keys k
    where k.workspace_id = p_workspace_id
  );
end
$$;
revoke all on function public.provider_key_ciphertexts from public, anon, authenticated;
grant execute on function public.provider_key_ciphertexts to service_role;


-- Puts a key's new ciphertext in place of the old one; false when somebody else changed it meanwhile.
create function public.provider_key_reencrypt(
  p_workspace_id uuid,
  p_key_id uuid,
  p_before text,
  p_after text
) returns boolean
language plpgsql security invoker set search_path = ''
as $$
begin
  update public.provider_keys k set ciphertext = p_after
  where k.workspace_id = p_workspace_id and k.id = p_key_id and k.ciphertext = p_before;
  return found;
end
$$;
revoke all on function public.provider_key_reencrypt from public, anon, authenticated;
grant execute on function public.provider_key_reencrypt to service_role;
