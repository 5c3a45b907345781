-- Requests that limits have refused. Servers count them and write the counts every few seconds.

create table public.refusals (
  workspace_id uuid not null references public.workspaces on delete cascade,
  hour timestamptz not null,
  -- The API key or the user.
  caller_id uuid not null,
  limit_name text not null check (limit_name in (
    'key_requests', 'user_requests', 'workspace_requests', 'ingest_events', 'ingest_bytes', 'guard_requests',
    'streams')),
  requests bigint not null,
  -- Begins with the hour, because the list of the keys reads the last ones of all callers.
  primary key (workspace_id, hour, caller_id, limit_name)
);
alter table public.refusals alter column workspace_id set statistics 0;
alter table public.refusals enable row level security;


-- Adds to the counts, and deletes those that are older than two days. The first refused requests of a UTC day that would
-- have recorded calls make an alert; true if they did. Does nothing for a workspace that no longer exists.
create function public.refusals_note(
  p_workspace_id uuid,
  p_refusals text,
  p_now timestamptz
) returns boolean
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
as $$
declare
  v_alerts uuid[];
begin
  perform from public.workspaces w where w.id = p_workspace_id for key share;
  if not found then
    return false;
  end if;
  insert into public.refusals as r (workspace_id, hour, caller_id, limit_name, requests)
  select p_workspace_id, n.hour, n.caller_id, n."limit", sum(n.requests)
  from jsonb_to_recordset(p_refusals::jsonb) as n (hour timestamptz, caller_id uuid, "limit" text, requests bigint)
  group by n.hour, n.caller_id, n."limit"
  -- In one order, so that two servers cannot wait for each other.
  order by n.hour, n.caller_id, n."limit"
  on conflict (workspace_id, hour, caller_id, limit_name) do update set requests = r.requests + excluded.requests;
  delete from public.refusals r where r.workspace_id = p_workspace_id and r.hour < p_now - interval '2 days';
  with alerts as (
    insert into public.alerts (workspace_id, id, kind, subject, period_start, created_at)
    select p_workspace_id, gen_random_uuid(), 'refused_calls', n."limit", min(llmlab_private.utc_day(n.hour)), p_now
    from jsonb_to_recordset(p_refusals::jsonb) as n (hour timestamptz, "limit" text)
    where n."limit" in ('ingest_events', 'ingest_bytes')
    group by llmlab_private.utc_day(n.hour), n."limit"
    order by llmlab_private.utc_day(n.hour), n."limit"
    on conflict do nothing
    returning id
  )
  select array_agg(a.id) into v_alerts from alerts a;
  if v_alerts is not null then
    perform llmlab_private.queue_deliveries(p_workspace_id, v_alerts, p_now);
  end if;
  return v_alerts is not null;
end
$$;
