-- Workspaces, their members, and invitations to them.

create table public.workspaces (
  id uuid primary key,
  name text not null,
  created_at timestamptz not null,
  -- Counts the changes to what recording an event requires (see workspace_terms). A change counts itself first, which
  -- makes such changes run one at a time.
  terms_version bigint not null default 0,
  -- Events before this hour are refused, and deleted or about to be: totals of earlier hours cannot be recounted. Null
  -- when nothing has been deleted.
  events_since timestamptz,
  -- When that was decided. Nothing is deleted before every server can know it: an event sent again after its deletion
  -- would count twice.
  events_since_at timestamptz
);
alter table public.workspaces enable row level security;

create table public.members (
  workspace_id uuid not null references public.workspaces on delete cascade,
  user_id uuid not null references public.users on delete cascade,
  role text not null check (role in ('admin', 'viewer')),
  created_at timestamptz not null,
  primary key (workspace_id, user_id)
);
-- Serves the workspaces of a user.
create index members_user_id_idx on public.members (user_id);
-- Without statistics, the planner expects a two-hundredth of a table in each workspace, and chooses the index and the
-- join for many rows. Statistics would make it expect a row or two in a workspace that has just grown: they are those
-- of all workspaces, and renewed only when a tenth of a table has changed. The same holds for every workspace_id.
alter table public.members alter column workspace_id set statistics 0;
alter table public.members enable row level security;

create table public.invitations (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  email text not null,
  role text not null check (role in ('admin', 'viewer')),
  -- SHA-256 of the token, in hex: reading the table is not enough to accept.
  token_hash text not null unique,
  invited_by uuid not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  primary key (workspace_id, id)
);
alter table public.invitations alter column workspace_id set statistics 0;
alter table public.invitations enable row level security;


-- Creates a workspace with one member, its admin, and schedules its first check (see watches).
create function llmlab_private.create_workspace(
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
  insert into public.watches (workspace_id, next_at) values (p_workspace_id, '-infinity');
end
$$;


-- Gives each of these users who is in no workspace one of their own: signing in requires a workspace.
create function llmlab_private.ensure_own_workspace(
  p_user_ids uuid[],
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
begin
  perform llmlab_private.create_workspace(gen_random_uuid(), u.id, u.name, p_now)
  from public.users u
  where u.id = any (p_user_ids) and not exists (select from public.members m where m.user_id = u.id);
end
$$;


-- The ids of all workspaces, for maintenance.
create function public.workspace_ids() returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '5s'
as $$
begin
  return (select coalesce(jsonb_agg(w.id order by w.id), '[]') from public.workspaces w);
end
$$;


-- The workspaces of a user, the one joined first at the top.
create function public.workspace_list(
  p_user_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
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


-- Creates another workspace for a user. Refused when the user already belongs to 100.
create function public.workspace_create(
  p_user_id uuid,
  p_workspace_id uuid,
  p_name text,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  perform from public.users u where u.id = p_user_id for no key update;
  if (select count(*) from public.members m where m.user_id = p_user_id) >= 100 then
    raise exception 'A user can belong to at most 100 workspaces' using errcode = 'PT409';
  end if;
  perform llmlab_private.create_workspace(p_workspace_id, p_user_id, p_name, p_now);
  perform llmlab_private.audit_write(p_workspace_id, p_user_id, 'workspace.created', p_name, '{}', p_now);
end
$$;


-- Renames a workspace.
create function public.workspace_rename(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_name text,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
declare
  v_before text;
begin
  select w.name into v_before from public.workspaces w where w.id = p_workspace_id for no key update;
  update public.workspaces w set name = p_name where w.id = p_workspace_id;
  perform llmlab_private.audit_write(
    p_workspace_id, p_actor_id, 'workspace.renamed', p_name, jsonb_build_object('before', v_before), p_now);
end
$$;


-- Deletes a workspace and everything in it if p_name is its name; false otherwise.
create function public.workspace_delete(
  p_workspace_id uuid,
  p_name text,
  p_now timestamptz
) returns boolean
language plpgsql security invoker set search_path = '' set statement_timeout = '10min'
as $$
declare
  v_members uuid[] := (select array_agg(m.user_id) from public.members m where m.workspace_id = p_workspace_id);
begin
  delete from public.workspaces w where w.id = p_workspace_id and w.name = p_name;
  if not found then
    return false;
  end if;
  perform llmlab_private.ensure_own_workspace(v_members, p_now);
  return true;
end
$$;


-- The members of a workspace, the one who joined first at the top.
create function public.member_list(
  p_workspace_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'user_id', u.id, 'email', u.email, 'name', u.name, 'role', m.role, 'joined_at', m.created_at)
      order by m.created_at, u.id), '[]')
    from public.members m
    cross join lateral (
      select u.id, u.email, u.name
      from public.users u
      where u.id = m.user_id
      -- Keeps the planner from reading the users of all workspaces.
      offset 0
    ) u
    where m.workspace_id = p_workspace_id
  );
end
$$;


-- Refuses to leave a workspace without an admin. Changes to members call it first: its lock makes them run one at a
-- time.
create function llmlab_private.require_one_admin(
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
    raise exception 'The last admin cannot leave or be demoted; make another member an admin first'
      using errcode = 'PT409';
  end if;
end
$$;


-- Makes a member an admin or a viewer.
create function public.member_set_role(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_user_id uuid,
  p_role text,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  if p_role <> 'admin' then
    perform llmlab_private.require_one_admin(p_workspace_id, p_user_id);
  end if;
  update public.members m set role = p_role where m.workspace_id = p_workspace_id and m.user_id = p_user_id;
  if not found then
    raise exception 'Member not found' using errcode = 'PT404';
  end if;
  perform llmlab_private.audit_write(
    p_workspace_id, p_actor_id, 'member.role_changed', (select u.email from public.users u where u.id = p_user_id),
    jsonb_build_object('role', p_role), p_now);
end
$$;


-- Removes a member. A user left without a workspace gets one of their own.
create function public.member_remove(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_user_id uuid,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  perform llmlab_private.require_one_admin(p_workspace_id, p_user_id);
  delete from public.members m where m.workspace_id = p_workspace_id and m.user_id = p_user_id;
  perform llmlab_private.audit_write(
    p_workspace_id, p_actor_id, case when p_actor_id = p_user_id then 'member.left' else 'member.removed' end,
    (select u.email from public.users u where u.id = p_user_id), '{}', p_now);
  perform llmlab_private.ensure_own_workspace(array[p_user_id], p_now);
end
$$;


-- The open invitations, newest first.
create function public.invitation_list(
  p_workspace_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
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


-- Invites an address. An earlier invitation of the same address becomes invalid.
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
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  perform from public.workspaces w where w.id = p_workspace_id for no key update;
  if exists (select from public.members m join public.users u on u.id = m.user_id
             where m.workspace_id = p_workspace_id and lower(u.email) = lower(p_email)) then
    raise exception 'This address already belongs to a member of the workspace' using errcode = 'PT409';
  end if;
  delete from public.invitations i
  where i.workspace_id = p_workspace_id and (lower(i.email) = lower(p_email) or i.expires_at <= p_now);
  if (select count(*) from public.invitations i where i.workspace_id = p_workspace_id) >= 1000 then
    raise exception 'A workspace has at most 1,000 open invitations' using errcode = 'PT409';
  end if;
  insert into public.invitations
    (workspace_id, id, email, role, token_hash, invited_by, created_at, expires_at)
  values (p_workspace_id, p_invitation_id, p_email, p_role, p_token_hash, p_actor_id, p_now, p_expires_at);
  perform llmlab_private.audit_write(
    p_workspace_id, p_actor_id, 'member.invited', p_email, jsonb_build_object('role', p_role), p_now);
end
$$;


-- Withdraws an invitation.
create function public.invitation_delete(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_invitation_id uuid,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
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
  perform llmlab_private.audit_write(p_workspace_id, p_actor_id, 'invitation.withdrawn', v_email, '{}', p_now);
end
$$;


-- Makes the invited user a member and deletes the invitation. Only the token identifies the workspace.
create function public.invitation_accept(
  p_token_hash text,
  p_user_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
declare
  v_invitation public.invitations;
  v_email text := (select u.email from public.users u where u.id = p_user_id);
begin
  select * into v_invitation from public.invitations i
  where i.token_hash = p_token_hash and i.expires_at > p_now
  for no key update;
  if not found then
    raise exception 'This invitation was used, was withdrawn or is older than 7 days; ask for a new one'
      using errcode = 'PT404';
  end if;
  if lower(v_invitation.email) <> lower(v_email) then
    raise exception 'This invitation is for another e-mail address' using errcode = 'PT403';
  end if;
  if (select count(*) from public.members m where m.user_id = p_user_id) >= 100 then
    raise exception 'A user can belong to at most 100 workspaces' using errcode = 'PT409';
  end if;
  delete from public.invitations i where i.token_hash = p_token_hash;
  insert into public.members (workspace_id, user_id, role, created_at)
  values (v_invitation.workspace_id, p_user_id, v_invitation.role, p_now)
  on conflict do nothing;
  perform llmlab_private.audit_write(
    v_invitation.workspace_id, p_user_id, 'member.joined', v_email,
    jsonb_build_object('role', v_invitation.role), p_now);
  return (
    select workspace
    from jsonb_array_elements(public.workspace_list(p_user_id)) workspace
    where workspace ->> 'id' = v_invitation.workspace_id::text
  );
end
$$;
