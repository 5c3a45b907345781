-- Who did what when. What changes members, keys, prices, projects or budgets writes its line in the same transaction.

create table public.audit_log (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null default gen_random_uuid(),
  at timestamptz not null,
  -- A user or an API key, and what it was called then.
  actor_id uuid not null,
  actor text not null,
  action text not null,
  target text not null,
  details jsonb not null,
  primary key (workspace_id, id)
);
-- Serves the newest-first list and its cursor.
create index audit_log_at_idx on public.audit_log (workspace_id, at desc, id desc);
alter table public.audit_log enable row level security;
revoke all on public.audit_log from public, anon, authenticated, service_role;
grant select, insert on public.audit_log to service_role;


-- Refuses whatever is not an addition, whoever asks. Lines go only together with their workspace.
create function public.refuse_change() returns trigger
language plpgsql security invoker set search_path = ''
as $$
begin
  if tg_op = 'DELETE' and not exists (select from public.workspaces w where w.id = old.workspace_id) then
    return old;
  end if;
  raise exception 'The audit log can only grow' using errcode = 'insufficient_privilege';
end
$$;
revoke all on function public.refuse_change from public, anon, authenticated;
grant execute on function public.refuse_change to service_role;

create trigger audit_log_grows before update or delete on public.audit_log
for each row execute function public.refuse_change();
create trigger audit_log_is_not_emptied before truncate on public.audit_log
for each statement execute function public.refuse_change();


-- Writes a line of the audit log.
create function public.note(
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
      'somebody who has left'),
    p_action, p_target, jsonb_strip_nulls(p_details));
end
$$;
revoke all on function public.note from public, anon, authenticated;
grant execute on function public.note to service_role;


-- The newest lines from just before the given position, as one array.
create function public.audit_list(
  p_workspace_id uuid,
  p_before_at timestamptz,
  p_before_id uuid,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = ''
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
revoke all on function public.audit_list from public, anon, authenticated;
grant execute on function public.audit_list to service_role;


-- Deletes one budget; false when this workspace has none with that id.
drop function public.budget_delete;
create function public.budget_delete(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_budget_id uuid,
  p_now timestamptz
) returns boolean
language plpgsql security invoker set search_path = ''
as $$
declare
  v_name text;
begin
  delete from public.budgets b where b.workspace_id = p_workspace_id and b.id = p_budget_id returning b.name into v_name;
  if not found then
    return false;
  end if;
  perform public.note(
    p_workspace_id, p_actor_id, 'budget.deleted', v_name, jsonb_build_object('id', p_budget_id), p_now);
  return true;
end
$$;
revoke all on function public.budget_delete from public, anon, authenticated;
grant execute on function public.budget_delete to service_role;
