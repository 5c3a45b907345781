-- Accounts: users and their sessions. These functions work across workspaces: they answer who a caller is before a
-- workspace is known.

create table public.users (
  id uuid primary key,
  email text not null,
  name text not null,
  password_hash text not null,
  created_at timestamptz not null
);
-- Serves login; an address is one account regardless of case.
create unique index users_email_key on public.users (lower(email));
alter table public.users enable row level security;

-- A session is one family of refresh tokens. It is valid in all workspaces of its user.
create table public.sessions (
  id uuid primary key,
  user_id uuid not null references public.users on delete cascade,
  -- The only token of the family that is valid.
  refresh_id uuid not null,
  created_at timestamptz not null,
  last_used_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  device text not null,
  -- The token before it and when it was exchanged; it is accepted for a few more seconds.
  previous_refresh_id uuid,
  refreshed_at timestamptz
);
-- Serves ending the sessions of one user.
create index sessions_user_id_idx on public.sessions (user_id);
alter table public.sessions enable row level security;


-- A session's account as its owner sees it, in the given workspace or else the user's first. Null when the session is
-- over; PT404 when the user is not a member of the workspace.
create function llmlab_private.account_of_session(
  p_session_id uuid,
  p_workspace_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_user_id uuid;
  v_workspace_id uuid;
  v_role text;
begin
  select s.user_id into v_user_id
  from public.sessions s
  where s.id = p_session_id and s.ended_at is null and s.expires_at > p_now;
  if not found then
    return null;
  end if;
  select m.workspace_id, m.role into v_workspace_id, v_role
  from public.members m
  where m.user_id = v_user_id and (p_workspace_id is null or m.workspace_id = p_workspace_id)
  order by m.created_at, m.workspace_id
  limit 1;
  if not found then
    raise exception 'Workspace not found' using errcode = 'PT404';
  end if;
  return (
    select jsonb_build_object(
      'session_id', p_session_id,
      'workspace_id', v_workspace_id,
      'user', jsonb_build_object(
        'id', u.id, 'email', u.email, 'name', u.name, 'role', v_role, 'created_at', u.created_at))
    from public.users u
    where u.id = v_user_id
  );
end
$$;


-- Creates a user, their workspace and their first session. Null when the address is taken.
create function public.signup(
  p_user_id uuid,
  p_workspace_id uuid,
  p_session_id uuid,
  p_refresh_id uuid,
  p_email text,
  p_name text,
  p_password_hash text,
  p_device text,
  p_now timestamptz,
  p_expires_at timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  insert into public.users (id, email, name, password_hash, created_at)
  values (p_user_id, p_email, p_name, p_password_hash, p_now)
  on conflict do nothing;
  if not found then
    return null;
  end if;
  perform llmlab_private.create_workspace(p_workspace_id, p_user_id, p_name, p_now);
  return public.session_start(p_user_id, p_session_id, p_refresh_id, p_device, p_now, p_expires_at);
end
$$;


-- The id and the password hash of the account with this address, or with this id. Null when there is none.
create function public.credentials(
  p_email text,
  p_user_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    select jsonb_build_object('user_id', u.id, 'password_hash', u.password_hash)
    from public.users u
    where lower(u.email) = lower(p_email) or u.id = p_user_id
  );
end
$$;


-- Starts a session. Null when the user no longer exists. Sessions that ended long ago are deleted.
create function public.session_start(
  p_user_id uuid,
  p_session_id uuid,
  p_refresh_id uuid,
  p_device text,
  p_now timestamptz,
  p_expires_at timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  delete from public.sessions s
  where s.user_id = p_user_id and (s.expires_at < p_now or s.ended_at < p_now - interval '30 days');
  insert into public.sessions (id, user_id, refresh_id, device, created_at, last_used_at, expires_at)
  select p_session_id, u.id, p_refresh_id, p_device, p_now, p_now, p_expires_at
  from public.users u
  where u.id = p_user_id;
  return llmlab_private.account_of_session(p_session_id, null, p_now);
end
$$;


-- Answers as account_of_session does, and records that the session was used, at most once a minute.
create function public.session_use(
  p_session_id uuid,
  p_workspace_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
as $$
begin
  update public.sessions s set last_used_at = p_now
  where s.id = p_session_id and s.ended_at is null and s.last_used_at < p_now - interval '1 minute';
  return llmlab_private.account_of_session(p_session_id, p_workspace_id, p_now);
end
$$;


-- Exchanges a session's refresh token for the next one. The previous token is accepted for p_grace_seconds more and
-- gets the same next token, so that a page reloaded before the answer arrived stays signed in; any other token ends the
-- session. Answers with the account and the refresh_id that is now valid.
create function public.session_refresh(
  p_session_id uuid,
  p_refresh_id uuid,
  p_new_refresh_id uuid,
  p_grace_seconds integer,
  p_now timestamptz,
  p_expires_at timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
declare
  v_refresh_id uuid;
begin
  update public.sessions s
  set refresh_id = p_new_refresh_id, previous_refresh_id = s.refresh_id, refreshed_at = p_now, last_used_at = p_now,
    expires_at = p_expires_at
  where s.id = p_session_id and s.refresh_id = p_refresh_id and s.ended_at is null and s.expires_at > p_now
  returning s.refresh_id into v_refresh_id;
  if not found then
    select s.refresh_id into v_refresh_id
    from public.sessions s
    where s.id = p_session_id and s.previous_refresh_id = p_refresh_id and s.ended_at is null and s.expires_at > p_now
      and s.refreshed_at > p_now - make_interval(secs => p_grace_seconds);
  end if;
  if found then
    return llmlab_private.account_of_session(p_session_id, null, p_now)
      || jsonb_build_object('refresh_id', v_refresh_id);
  end if;
  update public.sessions s set ended_at = p_now where s.id = p_session_id and s.ended_at is null;
  return null;
end
$$;


-- Ends one session. Ending it again changes nothing.
create function public.session_end(
  p_session_id uuid,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  update public.sessions s set ended_at = p_now where s.id = p_session_id and s.ended_at is null;
end
$$;


-- The active sessions of a user, most recently used first.
create function public.session_list(
  p_user_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', s.id, 'device', s.device, 'created_at', s.created_at, 'last_used_at', s.last_used_at,
      'expires_at', s.expires_at) order by s.last_used_at desc, s.id), '[]')
    from public.sessions s
    where s.user_id = p_user_id and s.ended_at is null and s.expires_at > p_now
  );
end
$$;


-- Ends one session of a user, or all of them when p_session_id is null. Answers with the number of sessions ended.
create function public.sessions_end(
  p_user_id uuid,
  p_session_id uuid,
  p_now timestamptz
) returns bigint
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
declare
  v_ended bigint;
begin
  update public.sessions s set ended_at = p_now
  where s.user_id = p_user_id and (p_session_id is null or s.id = p_session_id) and s.ended_at is null
    and s.expires_at > p_now;
  get diagnostics v_ended = row_count;
  return v_ended;
end
$$;


-- Changes the values that are not null; a new password ends the user's other sessions.
create function public.user_update(
  p_user_id uuid,
  p_session_id uuid,
  p_workspace_id uuid,
  p_name text,
  p_password_hash text,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  update public.users u
  set name = coalesce(p_name, u.name), password_hash = coalesce(p_password_hash, u.password_hash)
  where u.id = p_user_id;
  if p_password_hash is not null then
    update public.sessions s set ended_at = p_now
    where s.user_id = p_user_id and s.id <> p_session_id and s.ended_at is null;
  end if;
  return llmlab_private.account_of_session(p_session_id, p_workspace_id, p_now);
end
$$;


-- Deletes an account and every workspace that has no other admin, with everything in it.
create function public.user_delete(
  p_user_id uuid,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = '' set statement_timeout = '10min'
as $$
declare
  v_left uuid[];
begin
  -- Every change of members locks the workspace, so that two admins cannot leave at the same time.
  perform from public.workspaces w
  where w.id in (select m.workspace_id from public.members m where m.user_id = p_user_id)
  order by w.id
  for no key update;
  perform llmlab_private.audit_write(m.workspace_id, p_user_id, 'member.left', u.email, '{}', p_now)
  from public.members m
  join public.users u on u.id = m.user_id
  where m.user_id = p_user_id;
  with gone as (
    delete from public.workspaces w
    where exists (
        select from public.members m where m.workspace_id = w.id and m.user_id = p_user_id)
      and not exists (
        select from public.members m
        where m.workspace_id = w.id and m.user_id <> p_user_id and m.role = 'admin')
    returning w.id
  )
  select array_agg(m.user_id) into v_left
  from public.members m
  join gone on gone.id = m.workspace_id
  where m.user_id <> p_user_id;
  delete from public.users u where u.id = p_user_id;
  perform llmlab_private.ensure_own_workspace(v_left, p_now);
end
$$;
