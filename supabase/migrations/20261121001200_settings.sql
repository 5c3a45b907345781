-- What a workspace decided for its calls. A workspace without a row has the defaults.

create table public.settings (
  workspace_id uuid primary key references public.workspaces on delete cascade,
  claude_haiku_45_enabled boolean not null default true,
  -- Patterns with * for anything.
  disabled_models text[] not null default '{}',
  max_tokens_per_request integer check (max_tokens_per_request > 0),
  enable_caching boolean not null default false,
  -- How many days events are kept; null is forever. Rollups stay either way.
  retention_days integer check (retention_days between 1 and 3650),
  tz text not null default 'UTC',
  updated_by uuid not null,
  updated_at timestamptz not null
);
-- Serves retention, which looks across workspaces.
create index settings_retention_idx on public.settings (workspace_id) where retention_days is not null;

alter table public.settings enable row level security;
revoke all on public.settings from public, anon, authenticated;
grant select, insert, update, delete on public.settings to service_role;


create or replace function public.schema_version() returns text
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return '20261121001200';
end
$$;
