-- People in several workspaces: who belongs where as what, invitations, and sessions that hold in all of them.

alter table public.sessions drop column workspace_id;
alter table public.sessions add column device text not null default '';
alter table public.sessions alter column device drop default;

create table public.invitations (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  email text not null,
  role text not null check (role in ('admin', 'viewer')),
  -- SHA-256 of the token, in hex: whoever reads the table cannot accept.
  token_hash text not null unique,
  invited_by uuid not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  primary key (workspace_id, id)
);
alter table public.invitations enable row level security;
revoke all on public.invitations from public, anon, authenticated;
grant select, insert, update, delete on public.invitations to service_role;


-- The functions up to workspace_list look across workspaces: they answer who somebody is and where they belong.

-- An account as its owner sees it, in one of their workspaces or else in their first. Null when the session is over.
drop function public.account_of_session(uuid, timestamptz);
create function public.account_of_session(
  p_session_id uuid,
  p_workspace_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_user_id uuid;
  v_member public.members;
begin
  select s.user_id into v_user_id
  from public.sessions s
  where s.id = p_session_id and s.ended_at is null and s.expires_at > p_now;
  if not found then
    return null;
  end if;
  select * into v_member
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
      'workspace_id', v_member.workspace_id,
      'user', jsonb_build_object(
        'id', u.id, 'email', u.email, 'name', u.name, 'role', v_member.role, 'created_at', u.created_at))
    from public.users u
    where u.id = v_user_id
  );
end
$$;
revoke all on function public.account_of_session from public, anon, authenticated;
grant execute on function public.account_of_session to service_role;


-- The same, and notes that the session was used: once a minute is enough to tell when it last was.
create function public.session_use(
  p_session_id uuid,
  p_workspace_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
begin
  update public.sessions s set last_used_at = p_now
  where s.id = p_session_id and s.ended_at is null and s.last_used_at < p_now - interval '1 minute';
  return public.account_of_session(p_session_id, p_workspace_id, p_now);
end
$$;
revoke all on function public.session_use from public, anon, authenticated;
grant execute on function public.session_use to service_role;


-- A workspace whose only member, and admin, is the given user.
create function public.found_workspace(
  p_workspace_id uuid,
  p_user_id uuid,
  p_name text,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
begin
  insert into public.workspaces (id, name, created_at) values (p_workspace_id, p_name, p_now);
  insert into public.members (workspace_id, user_id, role, created_at)
  values (p_workspace_id, p_user_id, 'admin', p_now);
end
$$;
revoke all on function public.found_workspace from public, anon, authenticated;
grant execute on function public.found_workspace to service_role;


-- Gives everybody who belongs nowhere a workspace of their own, for nobody can sign in without one.
create function public.house_the_homeless(
  p_user_ids uuid[],
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
begin
  perform public.found_workspace(gen_random_uuid(), u.id, u.name, p_now)
  from public.users u
  where u.id = any (p_user_ids) and not exists (select from public.members m where m.user_id = u.id);
end
$$;
revoke all on function public.house_the_homeless from public, anon, authenticated;
grant execute on function public.house_the_homeless to service_role;


-- A new user, their workspace and their first session. Null when the address is taken.
drop function public.signup;
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
language plpgsql security invoker set search_path = ''
as $$
begin
  insert into public.users (id, email, name, password_hash, created_at)
  values (p_user_id, p_email, p_name, p_password_hash, p_now)
  on conflict do nothing;
  if not found then
    return null;
  end if;
  perform public.found_workspace(p_workspace_id, p_user_id, p_name, p_now);
  return public.session_start(p_user_id, p_session_id, p_refresh_id, p_device, p_now, p_expires_at);
end
$$;
revoke all on function public.signup from public, anon, authenticated;
grant execute on function public.signup to service_role;


-- A new session. Null when the user is gone. Sessions long over are swept.
drop function public.session_start;
create function public.session_start(
  p_user_id uuid,
  p_session_id uuid,
  p_refresh_id uuid,
  p_device text,
  p_now timestamptz,
  p_expires_at timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
begin
  delete from public.sessions s
  where s.user_id = p_user_id and (s.expires_at < p_now or s.ended_at < p_now - interval '30 days');
  insert into public.sessions (id, user_id, refresh_id, device, created_at, last_used_at, expires_at)
  select p_session_id, u.id, p_refresh_id, p_device, p_now, p_now, p_expires_at
  from public.users u
  where u.id = p_user_id;
  return public.account_of_session(p_session_id, null, p_now);
end
$$;
revoke all on function public.session_start from public, anon, authenticated;
grant execute on function public.session_start to service_role;


-- Exchanges the session's refresh id for a new one. A refresh id that was exchanged before ends the session: somebody
-- holds a copy. Null when the session is over or just ended.
create or replace function public.session_refresh(
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
    return public.account_of_session(p_session_id, null, p_now);
  end if;
  update public.sessions s set ended_at = p_now where s.id = p_session_id and s.ended_at is null;
  return null;
end
$$;


-- The sessions of a user that still hold, last used first.
create function public.session_list(
  p_user_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = ''
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
revoke all on function public.session_list from public, anon, authenticated;
grant execute on function public.session_list to service_role;


-- Ends one session of a user, or without an id all of them; how many ended.
create function public.sessions_end(
  p_user_id uuid,
  p_session_id uuid,
  p_now timestamptz
) returns bigint
language plpgsql security invoker set search_path = ''
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
revoke all on function public.sessions_end from public, anon, authenticated;
grant execute on function public.sessions_end to service_role;


-- Changes what is not null; a new password ends the user's other sessions.
drop function public.user_update;
create function public.user_update(
  p_user_id uuid,
  p_session_id uuid,
  p_workspace_id uuid,
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
  return public.account_of_session(p_session_id, p_workspace_id, p_now);
end
$$;
revoke all on function public.user_update from public, anon, authenticated;
grant execute on function public.user_update to service_role;


-- The account and every workspace nobody else administers, with all they hold.
drop function public.user_delete;
create function public.user_delete(
  p_user_id uuid,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
declare
  v_left uuid[];
begin
  -- Whoever changes members locks their workspace, so that two admins cannot leave it to nobody.
  perform from public.workspaces w
  where w.id in (select m.workspace_id from public.members m where m.user_id = p_user_id)
  order by w.id
  for no key update;
  perform public.note(m.workspace_id, p_user_id, 'member.left', u.email, '{}', p_now)
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
  perform public.house_the_homeless(v_left, p_now);
end
$$;
revoke all on function public.user_delete from public, anon, authenticated;
grant execute on function public.user_delete to service_role;


-- The workspaces a user belongs to, the first one first.
create function public.workspace_list(
  p_user_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', w.id, 'name', w.name, 'role', m.role, 'created_at', w.created_at,
      'members', (select count(*) from public.members o where o.workspace_id = w.id))
      order by m.created_at, w.id), '[]')
    from public.members m
    join public.workspaces w on w.id = m.workspace_id
    where m.user_id = p_user_id
  );
end
$$;
revoke all on function public.workspace_list from public, anon, authenticated;
grant execute on function public.workspace_list to service_role;


-- A further workspace of a user. Refused from the hundredth on.
create function public.workspace_create(
  p_user_id uuid,
  p_workspace_id uuid,
  p_name text,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
begin
  perform from public.users u where u.id = p_user_id for no key update;
  if (select count(*) from public.members m where m.user_id = p_user_id) >= 100 then
    raise exception 'Nobody can belong to more than 100 workspaces' using errcode = 'PT409';
  end if;
  perform public.found_workspace(p_workspace_id, p_user_id, p_name, p_now);
  perform public.note(p_workspace_id, p_user_id, 'workspace.created', p_name, '{}', p_now);
end
$$;
revoke all on function public.workspace_create from public, anon, authenticated;
grant execute on function public.workspace_create to service_role;


-- Gives a workspace another name.
create function public.workspace_rename(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_name text,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
declare
  v_before text;
begin
  select w.name into v_before from public.workspaces w where w.id = p_workspace_id for no key update;
  update public.workspaces w set name = p_name where w.id = p_workspace_id;
  perform public.note(
    p_workspace_id, p_actor_id, 'workspace.renamed', p_name, jsonb_build_object('before', v_before), p_now);
end
$$;
revoke all on function public.workspace_rename from public, anon, authenticated;
grant execute on function public.workspace_rename to service_role;


-- Deletes a workspace with all it holds, if p_name is its name; false if not.
create function public.workspace_delete(
  p_workspace_id uuid,
  p_name text,
  p_now timestamptz
) returns boolean
language plpgsql security invoker set search_path = ''
as $$
declare
  v_members uuid[] := (select array_agg(m.user_id) from public.members m where m.workspace_id = p_workspace_id);
begin
  delete from public.workspaces w where w.id = p_workspace_id and w.name = p_name;
  if not found then
    return false;
  end if;
  perform public.house_the_homeless(v_members, p_now);
  return true;
end
$$;
revoke all on function public.workspace_delete from public, anon, authenticated;
grant execute on function public.workspace_delete to service_role;


-- Who belongs to a workspace, the first one first.
create function public.member_list(
  p_workspace_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'user_id', u.id, 'email', u.email, 'name', u.name, 'role', m.role, 'joined_at', m.created_at)
      order by m.created_at, u.id), '[]')
    from public.members m
    join public.users u on u.id = m.user_id
    where m.workspace_id = p_workspace_id
  );
end
$$;
revoke all on function public.member_list from public, anon, authenticated;
grant execute on function public.member_list to service_role;


-- Refuses to leave a workspace without an admin. Whoever changes members calls it first: it lets them in one by one.
create function public.keep_an_admin(
  p_workspace_id uuid,
  p_user_id uuid
) returns void
language plpgsql security invoker set search_path = ''
as $$
begin
  perform from public.workspaces w where w.id = p_workspace_id for no key update;
  if not exists (select from public.members m where m.workspace_id = p_workspace_id and m.user_id = p_user_id) then
    raise exception 'Member not found' using errcode = 'PT404';
  end if;
  if not exists (select from public.members m
                 where m.workspace_id = p_workspace_id and m.user_id <> p_user_id and m.role = 'admin') then
    raise exception 'The last admin cannot leave or be demoted; make somebody else an admin first'
      using errcode = 'PT409';
  end if;
end
$$;
revoke all on function public.keep_an_admin from public, anon, authenticated;
grant execute on function public.keep_an_admin to service_role;


-- Makes a member an admin or a viewer.
create function public.member_set_role(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_user_id uuid,
  p_role text,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
begin
  if p_role <> 'admin' then
    perform public.keep_an_admin(p_workspace_id, p_user_id);
  end if;
  update public.members m set role = p_role where m.workspace_id = p_workspace_id and m.user_id = p_user_id;
  if not found then
    raise exception 'Member not found' using errcode = 'PT404';
  end if;
  perform public.note(
    p_workspace_id, p_actor_id, 'member.role_changed', (select u.email from public.users u where u.id = p_user_id),
    jsonb_build_object('role', p_role), p_now);
end
$$;
revoke all on function public.member_set_role from public, anon, authenticated;
grant execute on function public.member_set_role to service_role;


-- Takes a member out, or lets them leave. Whoever then belongs nowhere gets a workspace of their own.
create function public.member_remove(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_user_id uuid,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
begin
  perform public.keep_an_admin(p_workspace_id, p_user_id);
  delete from public.members m where m.workspace_id = p_workspace_id and m.user_id = p_user_id;
  perform public.note(
    p_workspace_id, p_actor_id, case when p_actor_id = p_user_id then 'member.left' else 'member.removed' end,
    (select u.email from public.users u where u.id = p_user_id), '{}', p_now);
  perform public.house_the_homeless(array[p_user_id], p_now);
end
$$;
revoke all on function public.member_remove from public, anon, authenticated;
grant execute on function public.member_remove to service_role;


-- The invitations nobody has accepted yet and whose time is not over, newest first.
create function public.invitation_list(
  p_workspace_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', i.id, 'email', i.email, 'role', i.role, 'created_at', i.created_at, 'expires_at', i.expires_at)
      order by i.created_at desc, i.id), '[]')
    from public.invitations i
    where i.workspace_id = p_workspace_id and i.expires_at > p_now
  );
end
$$;
revoke all on function public.invitation_list from public, anon, authenticated;
grant execute on function public.invitation_list to service_role;


-- Invites an address. An earlier invitation of the same address is void from then on.
create function public.invitation_create(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_invitation_id uuid,
  p_email text,
  p_role text,
  p_token_hash text,
  p_now timestamptz,
  p_expires_at timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
begin
  perform from public.workspaces w where w.id = p_workspace_id for no key update;
  if exists (select from public.members m join public.users u on u.id = m.user_id
             where m.workspace_id = p_workspace_id and lower(u.email) = lower(p_email)) then
    raise exception 'This address already belongs to the workspace' using errcode = 'PT409';
  end if;
  delete from public.invitations i
  where i.workspace_id = p_workspace_id and (lower(i.email) = lower(p_email) or i.expires_at <= p_now);
  if (select count(*) from public.invitations i where i.workspace_id = p_workspace_id) >= 1000 then
    raise exception 'A workspace has at most 1,000 open invitations' using errcode = 'PT409';
  end if;
  insert into public.invitations
    (workspace_id, id, email, role, token_hash, invited_by, created_at, expires_at)
  values (p_workspace_id, p_invitation_id, p_email, p_role, p_token_hash, p_actor_id, p_now, p_expires_at);
  perform public.note(
    p_workspace_id, p_actor_id, 'member.invited', p_email, jsonb_build_object('role', p_role), p_now);
end
$$;
revoke all on function public.invitation_create from public, anon, authenticated;
grant execute on function public.invitation_create to service_role;


-- Takes an invitation back.
create function public.invitation_delete(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_invitation_id uuid,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
declare
  v_email text;
begin
  delete from public.invitations i
  where i.workspace_id = p_workspace_id and i.id = p_invitation_id
  returning i.email into v_email;
  if not found then
    raise exception 'Invitation not found' using errcode = 'PT404';
  end if;
  perform public.note(p_workspace_id, p_actor_id, 'invitation.withdrawn', v_email, '{}', p_now);
end
$$;
revoke all on function public.invitation_delete from public, anon, authenticated;
grant execute on function public.invitation_delete to service_role;


-- Makes the invited user a member; the invitation is used up. It looks across workspaces: only the token says which one.
create function public.invitation_accept(
  p_token_hash text,
  p_user_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_invitation public.invitations;
  v_email text := (select u.email from public.users u where u.id = p_user_id);
begin
  select * into v_invitation from public.invitations i
  where i.token_hash = p_token_hash and i.expires_at > p_now
  for no key update;
  if not found then
    raise exception 'This invitation has been used, withdrawn or is older than 7 days; ask for a new one'
      using errcode = 'PT404';
  end if;
  if lower(v_invitation.email) <> lower(v_email) then
    raise exception 'This invitation is for another e-mail address' using errcode = 'PT403';
  end if;
  if (select count(*) from public.members m where m.user_id = p_user_id) >= 100 then
    raise exception 'Nobody can belong to more than 100 workspaces' using errcode = 'PT409';
  end if;
  delete from public.invitations i where i.token_hash = p_token_hash;
  insert into public.members (workspace_id, user_id, role, created_at)
  values (v_invitation.workspace_id, p_user_id, v_invitation.role, p_now)
  on conflict do nothing;
  perform public.note(
    v_invitation.workspace_id, p_user_id, 'member.joined', v_email,
    jsonb_build_object('role', v_invitation.role), p_now);
  return (
    select workspace
    from jsonb_array_elements(public.workspace_list(p_user_id)) workspace
    where workspace ->> 'id' = v_invitation.workspace_id::text
  );
end
$$;
revoke all on function public.invitation_accept from public, anon, authenticated;
grant execute on function public.invitation_accept to service_role;
