-- Spans that look like model calls, but are of no known convention. Servers count them and write the counts every few
-- seconds.

-- The spans with the same scope and names of attributes.
create table public.unread_spans (
  workspace_id uuid not null references public.workspaces on delete cascade,
  -- Made of the scope and of the names of attributes.
  id uuid not null,
  -- Name of the instrumentation.
  scope text not null,
  spans bigint not null,
  -- Attributes of one of the spans, as a list of objects with name and value.
  example jsonb not null,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  primary key (workspace_id, id)
);
alter table public.unread_spans alter column workspace_id set statistics 0;
alter table public.unread_spans enable row level security;


-- Adds to the counts. p_counts is a JSON array of objects with id, scope, spans and example. Deletes the kinds that were
-- not seen for 7 days, and all but the 50 that were seen last. Does nothing for a workspace that no longer exists.
create function public.unread_spans_note(
  p_workspace_id uuid,
  p_counts text,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
as $$
begin
  perform from public.workspaces w where w.id = p_workspace_id for key share;
  if not found then
    return;
  end if;
  -- One server at a time, so that two cannot wait for what the other deletes.
  perform pg_advisory_xact_lock(hashtextextended(p_workspace_id::text, 2));
  delete from public.unread_spans u
  where u.workspace_id = p_workspace_id and u.last_seen_at <= p_now - interval '7 days';
  insert into public.unread_spans as u (workspace_id, id, scope, spans, example, first_seen_at, last_seen_at)
  select p_workspace_id, n.id, n.scope, n.spans, n.example, p_now, p_now
  from jsonb_to_recordset(p_counts::jsonb) as n (id uuid, scope text, spans bigint, example jsonb)
  on conflict (workspace_id, id) do update set
    spans = u.spans + excluded.spans, last_seen_at = greatest(u.last_seen_at, excluded.last_seen_at);
  delete from public.unread_spans u
  where u.workspace_id = p_workspace_id and u.id in (
    select o.id
    from public.unread_spans o
    where o.workspace_id = p_workspace_id
    order by o.last_seen_at desc, o.spans desc, o.id
    offset 50);
end
$$;


-- The kinds that were seen in the last 7 days, newest first.
create function public.unread_spans_list(
  p_workspace_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'scope', u.scope, 'spans', u.spans, 'first_seen_at', u.first_seen_at, 'last_seen_at', u.last_seen_at,
      'example', u.example) order by u.last_seen_at desc, u.spans desc, u.id), '[]')
    from public.unread_spans u
    where u.workspace_id = p_workspace_id and u.last_seen_at > p_now - interval '7 days'
  );
end
$$;
