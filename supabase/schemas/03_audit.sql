-- The audit log: who did what and when. Every change of members, keys, prices, projects, settings, channels or budgets
-- writes its entry in the same transaction.

create table public.audit_log (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null default gen_random_uuid(),
  at timestamptz not null,
  -- A user or an API key, and its name at that time.
  actor_id uuid not null,
  actor text not null,
  action text not null,
  target text not null,
  details jsonb not null,
  primary key (workspace_id, id)
);
-- Serves the newest-first list and its cursor.
create index audit_log_at_idx on public.audit_log (workspace_id, at desc, id desc);
alter table public.audit_log alter column workspace_id set statistics 0;
alter table public.audit_log enable row level security;
-- Entries are only added; they are deleted with their workspace. The owner of the table is not restricted.
revoke update, delete, truncate on public.audit_log from service_role;


-- Adds an entry to the audit log.
create function llmlab_private.audit_write(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_action text,
  p_target text,
  p_details jsonb,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
begin
  insert into public.audit_log (workspace_id, at, actor_id, actor, action, target, details)
  values (
    p_workspace_id, p_now, p_actor_id,
    coalesce(
      (select u.email from public.users u where u.id = p_actor_id),
      (select 'API key ' || k.name from public.api_keys k where k.workspace_id = p_workspace_id and k.id = p_actor_id),
      'a former member'),
    p_action, p_target, jsonb_strip_nulls(p_details));
end
$$;


-- The newest entries before the given position, as one array.
create function public.audit_list(
  p_workspace_id uuid,
  p_before_at timestamptz,
  p_before_id uuid,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
-- A page is read in the order of its index. When the planner expects few rows, it would read and sort all of them.
set enable_sort = off
as $$
begin
  return (
    select coalesce(jsonb_agg(to_jsonb(page) order by page.at desc, page.id desc), '[]')
    from (
      select a.id, a.at, a.actor_id, a.actor, a.action, a.target, a.details
      from public.audit_log a
      where a.workspace_id = p_workspace_id
        and a.at <= coalesce(p_before_at, 'infinity')
        and (p_before_id is null or (a.at, a.id) < (p_before_at, p_before_id))
      order by a.at desc, a.id desc
      limit p_limit
    ) page
  );
end
$$;
