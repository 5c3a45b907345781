-- The settings of a workspace. A workspace without a row has the defaults.

create table public.settings (
  workspace_id uuid primary key references public.workspaces on delete cascade,
  claude_haiku_45_enabled boolean not null default true,
  -- Patterns; * matches anything.
  disabled_models text[] not null default '{}',
  max_tokens_per_request integer check (max_tokens_per_request > 0),
  enable_caching boolean not null default false,
  -- The number of days that events are kept; null keeps them. Rollups stay in both cases.
  retention_days integer check (retention_days between 1 and 3650),
  tz text not null default 'UTC',
  updated_by uuid not null,
  updated_at timestamptz not null
);
-- Serves retention, which works across workspaces.
create index settings_retention_idx on public.settings (workspace_id) where retention_days is not null;
alter table public.settings alter column workspace_id set statistics 0;
alter table public.settings enable row level security;


-- The settings as the API returns them, with the defaults for a workspace that has none.
create function public.settings_one(
  p_workspace_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return coalesce(
    (select to_jsonb(s) - 'workspace_id' from public.settings s where s.workspace_id = p_workspace_id),
    jsonb_build_object(
      'claude_haiku_45_enabled', true, 'disabled_models', '[]'::jsonb, 'max_tokens_per_request', null,
      'enable_caching', false, 'retention_days', null, 'tz', 'UTC', 'updated_by', null, 'updated_at', null));
end
$$;


-- Changes the settings named in p_changes, a JSON object; the others stay. The audit log records the old and the new
-- value of each. Answers as settings_one does.
create function public.settings_set(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_user_id uuid,
  p_changes text,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
declare
  v_before jsonb;
  v_after public.settings;
  v_changed jsonb;
begin
  update public.workspaces w set terms_version = w.terms_version + 1 where w.id = p_workspace_id;
  v_before := public.settings_one(p_workspace_id);
  v_after := jsonb_populate_record(null::public.settings, v_before || p_changes::jsonb);
  select jsonb_object_agg(a.key, jsonb_build_object('old', b.value, 'new', a.value)) into v_changed
  from jsonb_each(to_jsonb(v_after)) a
  join jsonb_each(v_before) b on b.key = a.key
  where a.value <> b.value;
  if v_changed is not null then
    v_after.workspace_id := p_workspace_id;
    v_after.updated_by := p_user_id;
    v_after.updated_at := p_now;
    delete from public.settings s where s.workspace_id = p_workspace_id;
    insert into public.settings select v_after.*;
    perform llmlab_private.audit_write(p_workspace_id, p_actor_id, 'settings.changed', 'settings', v_changed, p_now);
  end if;
  return public.settings_one(p_workspace_id);
end
$$;


-- What recording an event requires of its workspace: the projects by key, the prices, the settings, and the time from
-- which its events are kept. Null when the caller already has this version.
create function public.workspace_terms(
  p_workspace_id uuid,
  p_known_version bigint
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '5s'
as $$
begin
  return (
    select jsonb_build_object(
      'version', w.terms_version,
      'projects', (
        select coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'name', p.name, 'key', p.key)), '[]')
        from public.projects p
        where p.workspace_id = p_workspace_id),
      'prices', public.price_list(p_workspace_id, null),
      'settings', public.settings_one(p_workspace_id),
      'events_since', w.events_since)
    from public.workspaces w
    where w.id = p_workspace_id and w.terms_version is distinct from p_known_version
  );
end
$$;
