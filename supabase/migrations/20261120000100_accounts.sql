-- Who may call: users, the workspaces they belong to, and the sessions they hold.

-- Supabase has these roles. Elsewhere they are made, so that the same grants read the same everywhere.
do $$
declare
  v_role text;
begin
  foreach v_role in array array['anon', 'authenticated', 'service_role'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
      execute format('create role %I nologin noinherit', v_role);
      -- Row security has no policies, so the one role that reads through REST must bypass it.
      if v_role = 'service_role' and (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
        alter role service_role bypassrls;
      end if;
    end if;
  end loop;
end
$$;

-- Every table and every function closes its own door behind it: what is not granted by name cannot be reached.

create table public.users (
  id uuid primary key,
  email text not null,
  name text not null,
  password_hash text not null,
  created_at timestamptz not null
);
-- Serves login; an address is one account whatever its case.
create unique index users_email_key on public.users (lower(email));

create table public.workspaces (
  id uuid primary key,
  name text not null,
  created_at timestamptz not null
);

create table public.members (
  workspace_id uuid not null references public.workspaces on delete cascade,
  user_id uuid not null references public.users on delete cascade,
  role text not null check (role in ('admin', 'viewer')),
  created_at timestamptz not null,
  primary key (workspace_id, user_id)
);
-- Serves "which workspaces does this user belong to".
create index members_user_id_idx on public.members (user_id);

-- A session is one family of refresh tokens: refresh_id names the only one of them that still works.
create table public.sessions (
  id uuid primary key,
  user_id uuid not null references public.users on delete cascade,
  workspace_id uuid not null references public.workspaces on delete cascade,
  refresh_id uuid not null,
  created_at timestamptz not null,
  last_used_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz
);
-- Serves ending the sessions of one user.
create index sessions_user_id_idx on public.sessions (user_id);

alter table public.users enable row level security;
alter table public.workspaces enable row level security;
alter table public.members enable row level security;
alter table public.sessions enable row level security;
revoke all on public.users, public.workspaces, public.members, public.sessions from public, anon, authenticated;
grant select, insert, update, delete
  on public.users, public.workspaces, public.members, public.sessions to service_role;


-- The functions below look across workspaces: they answer who somebody is, before a workspace is known.

-- An account as its owner sees it, in the given session's workspace. Null when the session is over.
create function public.account_of_session(
  p_session_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select jsonb_build_object(
      'session_id', s.id,
      'workspace_id', s.workspace_id,
      'user', jsonb_build_object(
        'id', u.id, 'email', u.email, 'name', u.name, 'role', m.role, 'created_at', u.created_at))
    from public.sessions s
    join public.users u on u.id = s.user_id
    join public.members m on m.workspace_id = s.workspace_id and m.user_id = s.user_id
    where s.id = p_session_id and s.ended_at is null and s.expires_at > p_now
  );
end
$$;
revoke all on function public.account_of_session from public, anon, authenticated;
grant execute on function public.account_of_session to service_role;


-- A new user, their workspace and their first session. Null when the address is taken.
create function public.signup(
  p_user_id uuid,
  p_workspace_id uuid,
  p_session_id uuid,
  p_refresh_id uuid,
  p_email text,
  p_name text,
  p_password_hash text,
  p_now timestamptz,
  p_expires_at timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
begin
  insert into public.users (id, email, name, password_hash, created_at)
  values (p_user_id, p_email, p_name, p_password_hash, p_now)
  on conflict do nothing;
  if not found then
    return null;
  end if;
  insert into public.workspaces (id, name, created_at) values (p_workspace_id, p_name, p_now);
  insert into public.members (workspace_id, user_id, role, created_at)
  values (p_workspace_id, p_user_id, 'admin', p_now);
  insert into public.sessions (id, user_id, workspace_id, refresh_id, created_at, last_used_at, expires_at)
  values (p_session_id, p_user_id, p_workspace_id, p_refresh_id, p_now, p_now, p_expires_at);
  return public.account_of_session(p_session_id, p_now);
end
$$;
revoke all on function public.signup from public, anon, authenticated;
grant execute on function public.signup to service_role;


-- Id and password hash of the account with this address, or with this id. Null when there is none.
create function public.credentials(
  p_email text,
  p_user_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select jsonb_build_object('user_id', u.id, 'password_hash', u.password_hash)
    from public.users u
    where lower(u.email) = lower(p_email) or u.id = p_user_id
  );
end
$$;
revoke all on function public.credentials from public, anon, authenticated;
grant execute on function public.credentials to service_role;


-- A new session in the user's first workspace. Null when the user is gone. Sessions long over are swept.
create function public.session_start(
  p_user_id uuid,
  p_session_id uuid,
  p_refresh_id uuid,
  p_now timestamptz,
  p_expires_at timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
begin
  delete from public.sessions s
  where s.user_id = p_user_id and (s.expires_at < p_now or s.ended_at < p_now - interval '30 days');
  insert into public.sessions (id, user_id, workspace_id, refresh_id, created_at, last_used_at, expires_at)
  select p_session_id, m.user_id, m.workspace_id, p_refresh_id, p_now, p_now, p_expires_at
  from public.members m
  where m.user_id = p_user_id
  order by m.created_at, m.workspace_id
  limit 1;
  return public.account_of_session(p_session_id, p_now);
end
$$;
revoke all on function public.session_start from public, anon, authenticated;
grant execute on function public.session_start to service_role;


-- Exchanges the session's refresh id for a new one. A refresh id that was exchanged before ends the session: somebody
-- holds a copy. Null when the session is over or just ended.
create function public.session_refresh(
  p_session_id uuid,
  p_refresh_id uuid,
  p_new_refresh_id uuid,
  p_now timestamptz,
  p_expires_at timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
begin
  update public.sessions s
  set refresh_id = p_new_refresh_id, last_used_at = p_now, expires_at = p_expires_at
  where s.id = p_session_id and s.refresh_id = p_refresh_id and s.ended_at is null and s.expires_at > p_now;
  if found then
    return public.account_of_session(p_session_id, p_now);
  end if;
  update public.sessions s set ended_at = p_now where s.id = p_session_id and s.ended_at is null;
  return null;
end
$$;
revoke all on function public.session_refresh from public, anon, authenticated;
grant execute on function public.session_refresh to service_role;


-- Ends one session. Ending it again changes nothing.
create function public.session_end(
  p_session_id uuid,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
begin
  update public.sessions s set ended_at = p_now where s.id = p_session_id and s.ended_at is null;
end
$$;
revoke all on function public.session_end from public, anon, authenticated;
grant execute on function public.session_end to service_role;


-- Changes what is not null; a new password ends the user's other sessions.
create function public.user_update(
  p_user_id uuid,
  p_session_id uuid,
  p_name text,
  p_password_hash text,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
begin
  update public.users u
  set name = coalesce(p_name, u.name), password_hash = coalesce(p_password_hash, u.password_hash)
  where u.id = p_user_id;
  if p_password_hash is not null then
    update public.sessions s set ended_at = p_now
    where s.user_id = p_user_id and s.id <> p_session_id and s.ended_at is null;
  end if;
  return public.account_of_session(p_session_id, p_now);
end
$$;
revoke all on function public.user_update from public, anon, authenticated;
grant execute on function public.user_update to service_role;


-- The account and every workspace nobody else administers, with all they hold.
-- It looks across workspaces: it answers what one user leaves behind.
create function public.user_delete(
  p_user_id uuid
) returns void
language plpgsql security invoker set search_path = ''
as $$
begin
  delete from public.workspaces w
  where exists (
      select from public.members m where m.workspace_id = w.id and m.user_id = p_user_id)
    and not exists (
      select from public.members m
      where m.workspace_id = w.id and m.user_id <> p_user_id and m.role = 'admin');
  delete from public.users u where u.id = p_user_id;
end
$$;
revoke all on function public.user_delete from public, anon, authenticated;
grant execute on function public.user_delete to service_role;
