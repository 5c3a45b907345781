-- Roles, the private schema, and the privileges of everything created later. This file opens every migration and may
-- run more than once.

-- Supabase has these roles; elsewhere they are created, so that the same grants apply everywhere.
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

-- What only SQL functions use. REST exposes the schema public, which holds exactly the functions the application calls;
-- all of them run with the rights of their caller, so service_role needs this schema too.
create schema if not exists llmlab_private;
grant usage on schema llmlab_private to service_role;

-- Only service_role may use what the role that runs the migrations creates. Postgres lets everyone execute a new
-- function unless that is revoked for all schemas; Supabase in addition grants everything in public to its own roles.
alter default privileges revoke execute on functions from public;
alter default privileges in schema public revoke all on functions from anon, authenticated;
alter default privileges in schema public revoke all on tables from anon, authenticated;
alter default privileges in schema public grant execute on functions to service_role;
alter default privileges in schema public grant select, insert, update, delete on tables to service_role;
alter default privileges in schema llmlab_private grant execute on functions to service_role;
alter default privileges in schema llmlab_private grant select on tables to service_role;
