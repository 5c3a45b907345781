-- Spans of the last minutes: a trace may arrive in several requests and in any order, and a span that only repeats the
-- calls beneath it must not count as one more call.

-- Model calls, and the spans between them.
create table public.spans (
  workspace_id uuid not null references public.workspaces on delete cascade,
  -- The ids of the trace and of the span, joined by a colon.
  id text not null,
  -- The same of the span above; null for the root of a trace.
  parent_id text,
  -- The event that the span reports; null for a span that is no model call.
  call jsonb,
  seen_at timestamptz not null,
  primary key (workspace_id, id)
);
-- Serves the search for the spans beneath one. Its first column is not the workspace, so that it is never used instead
-- of the primary key.
create index spans_parent_id_idx on public.spans (parent_id, workspace_id);
-- Serves deleting the old ones.
create index spans_seen_at_idx on public.spans (seen_at);
alter table public.spans alter column workspace_id set statistics 0;
alter table public.spans enable row level security;

-- Stores the spans of a request and records the calls that they report. p_spans is a JSON array of objects with id,
-- parent_id and call. p_known is a JSON array with the ids of the other spans that the calls were resolved with. If more
-- belong to them, nothing is recorded and the answer has all of them as `family`: resolve the calls again, with those.
-- Otherwise p_events is recorded as by record_events, whose answer is `duplicates`, and the events of p_repeated are
-- deleted: those that were recorded for a span that turns out to repeat the calls beneath it. These are objects with id
-- and span_id.
create function public.record_spans(
  p_workspace_id uuid,
  p_created_at timestamptz,
  p_spans text,
  p_known text,
  p_events text,
  p_repeated text
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
set plan_cache_mode = force_generic_plan
as $$
declare
  v_spans jsonb := p_spans;
  v_family jsonb;
  v_repeated uuid[];
  v_duplicates jsonb;
begin
  -- The requests of a workspace, which may have parts of the same trace, run one at a time. Each sees the spans of those
  -- before it.
  perform pg_advisory_xact_lock(hashtextextended(p_workspace_id::text, 1));
  insert into public.spans (workspace_id, id, parent_id, call, seen_at)
  select p_workspace_id, g.id, g.parent_id, g.call, p_created_at
  from jsonb_to_recordset(v_spans) as g (id text, parent_id text, call jsonb)
  order by g.id
  on conflict do nothing;

  -- The family of a span: the calls above it, and every span beneath the topmost of these. Each step is a lookup: a join
  -- could read all spans of the workspace.
  with recursive above as (
    select s.id as origin, s.id, s.parent_id, s.call is not null as is_call, 0 as depth
    from jsonb_to_recordset(v_spans) as g (id text)
    cross join lateral (
      select s.id, s.parent_id, s.call from public.spans s where s.workspace_id = p_workspace_id and s.id = g.id offset 0
    ) s
    union all
    select a.origin, s.id, s.parent_id, s.call is not null, a.depth + 1
    from above a
    cross join lateral (
      select s.id, s.parent_id, s.call
      from public.spans s
      where s.workspace_id = p_workspace_id and s.id = a.parent_id
      offset 0
    ) s
    -- More than traces are deep. It ends circles.
    where a.depth < 100
  ),
  top as (
    select distinct on (a.origin) a.id
    from above a
    where a.is_call
    order by a.origin, a.depth desc
  ),
  beneath as (
    select t.id, 0 as depth
    from top t
    union
    select s.id, b.depth + 1
    from beneath b
    cross join lateral (
      select s.id from public.spans s where s.parent_id = b.id and s.workspace_id = p_workspace_id offset 0
    ) s
    where b.depth < 100
  ),
  family as (
    select b.id from beneath b
    except
    select g.id from jsonb_to_recordset(v_spans) as g (id text)
  ),
  unknown as (
    select f.id from family f
    except
    select k.id from jsonb_array_elements_text(p_known::jsonb) as k (id)
  )
  select jsonb_agg(jsonb_build_object('id', s.id, 'parent_id', s.parent_id, 'call', s.call)) into v_family
  from family f
  cross join lateral (
    select s.id, s.parent_id, s.call from public.spans s where s.workspace_id = p_workspace_id and s.id = f.id offset 0
  ) s
  where exists (select from unknown);
  if v_family is not null then
    return jsonb_build_object('family', v_family, 'duplicates', '[]'::jsonb);
  end if;

  v_repeated := array(
    select e.id
    from jsonb_to_recordset(p_repeated::jsonb) as g (id uuid, span_id text)
    cross join lateral (
      select e.id, e.metadata, e.created_at
      from public.events e
      where e.workspace_id = p_workspace_id and e.id = g.id
      offset 0
    ) e
    where (e.metadata ->> 'trace_id') || ':' || (e.metadata ->> 'span_id') = g.span_id
      -- A sender can take back only what it has just reported.
      and e.created_at > p_created_at - interval '1 hour');
  if v_repeated <> '{}' then
    -- Both functions below write in key order, but not one after the other: this could deadlock with other writers.
    perform llmlab_private.lock_totals(p_workspace_id, true);
    perform public.correct_events(p_workspace_id, p_created_at, (
      select coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'corrected_at', e.corrected_at)), '[]')::text
      from public.events e
      where e.workspace_id = p_workspace_id and e.id = any (v_repeated)));
  end if;
  if p_events <> '[]' then
    v_duplicates := public.record_events(p_workspace_id, p_created_at, p_events);
  end if;
  return jsonb_build_object('family', '[]'::jsonb, 'duplicates', coalesce(v_duplicates, '[]'::jsonb));
end
$$;


-- Deletes up to p_limit spans of all workspaces that were seen before a time; their number.
create function public.spans_delete(
  p_before timestamptz,
  p_limit integer
) returns bigint
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
as $$
declare
  v_deleted bigint;
begin
  delete from public.spans s
  where (s.workspace_id, s.id) in (
    select o.workspace_id, o.id
    from public.spans o
    where o.seen_at < p_before
    order by o.seen_at
    limit p_limit
    for update skip locked);
  get diagnostics v_deleted = row_count;
  return v_deleted;
end
$$;
