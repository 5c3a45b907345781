-- Events: one row per model call.

create table public.events (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  "timestamp" timestamptz not null,
  created_at timestamptz not null,
  user_id uuid not null,
  latency_ms double precision,
  -- The usage counts are disjoint: input_tokens is the uncached rest of the prompt. Reasoning is part of the output.
  input_tokens integer not null,
  cache_read_tokens integer not null,
  cache_write_5m_tokens integer not null,
  cache_write_1h_tokens integer not null,
  output_tokens integer not null,
  reasoning_tokens integer not null,
  -- USD; null when no price is known. No fixed scale: a few list prices have 17 decimals.
  cost numeric check (cost >= 0),
  pricing text not null,
  provider text not null,
  model text not null,
  -- The key of a project; '' for an event without one.
  project text not null,
  status text not null check (status in ('success', 'error', 'timeout')),
  error_message text,
  tags jsonb,
  metadata jsonb,
  -- What the vendor counted beyond the columns above (audio, images, searches), by genai-prices usage key.
  usage_detail jsonb,
  api_key_id uuid,
  -- The rules of the policy that the call broke when it was recorded; null for none.
  policy_violations text[],
  -- The reservation that the call has settled.
  reservation_id uuid,
  -- True for a call that was made without a reservation, because LLMLab did not answer; null for any other.
  unchecked boolean,
  -- When another record of the same call last corrected the row; null if none did.
  corrected_at timestamptz,
  primary key (workspace_id, id)
);
-- Serves the newest-first list and its cursor.
create index events_timestamp_idx on public.events (workspace_id, "timestamp" desc);
alter table public.events alter column workspace_id set statistics 0;
alter table public.events enable row level security;


-- Events as the API returns them, with the name of their project. Amounts are text, so that no JSON parser rounds them.
create view llmlab_private.events_as_json with (security_invoker = true) as
select e.workspace_id, e.id,
  jsonb_build_object(
    'event_id', e.id,
    'user_id', e.user_id,
    'project', (select p.name from public.projects p where p.workspace_id = e.workspace_id and p.key = e.project),
    'provider', e.provider,
    'model', e.model,
    'input_tokens', e.input_tokens + e.cache_read_tokens + e.cache_write_5m_tokens + e.cache_write_1h_tokens,
    'cache_read_tokens', e.cache_read_tokens,
    'cache_write_tokens', e.cache_write_5m_tokens,
    'cache_write_1h_tokens', e.cache_write_1h_tokens,
    'output_tokens', e.output_tokens,
    'reasoning_tokens', e.reasoning_tokens,
    'total_tokens', e.input_tokens + e.cache_read_tokens + e.cache_write_5m_tokens + e.cache_write_1h_tokens
      + e.output_tokens,
    'usage_detail', coalesce(e.usage_detail, '{}'),
    'cost', e.cost::text,
    'pricing', e.pricing,
    'latency_ms', e.latency_ms,
    'status', e.status,
    'error_message', e.error_message,
    'tags', coalesce(e.tags, '{}'),
    'metadata', coalesce(e.metadata, '{}'),
    'timestamp', e."timestamp",
    'tracked_at', e.created_at,
    'reservation_id', e.reservation_id,
    'unchecked', coalesce(e.unchecked, false),
    'corrected_at', e.corrected_at,
    'policy_violations', coalesce(e.policy_violations, '{}')) as event
from public.events e;


-- Stores the events that are new and adds only those to the rollups and to the periods of the budgets. Reservations
-- made for them are settled; a threshold they cross and a model without a price create an alert. p_events is a JSON
-- array of objects with the columns of an event as keys; nulls may be left out. Answers with the stored event for every
-- one that existed before, with its position in the array (from 0); the others are new. Rows are written in key order,
-- so that concurrent writers wait for one another and never deadlock.
create function public.record_events(
  p_workspace_id uuid,
  p_created_at timestamptz,
  p_events text
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
-- Planning the statement again costs a small batch more than running it, and no plan depends on the values.
set plan_cache_mode = force_generic_plan
as $$
declare
  v_events jsonb := p_events;
  v_recorded public.events[];
  v_ids uuid[];
begin
  perform llmlab_private.lock_totals(p_workspace_id, false);
  with recorded as (
    insert into public.events as e
      (workspace_id, id, "timestamp", created_at, user_id, latency_ms, input_tokens, cache_read_tokens,
       cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost, pricing, provider, model,
       project, status, error_message, tags, metadata, usage_detail, api_key_id, policy_violations, reservation_id,
       unchecked)
    select p_workspace_id, g.id, g."timestamp", p_created_at, g.user_id, g.latency_ms, g.input_tokens,
      g.cache_read_tokens, g.cache_write_5m_tokens, g.cache_write_1h_tokens, g.output_tokens, g.reasoning_tokens,
      g.cost, g.pricing, g.provider, g.model, g.project, g.status, g.error_message, g.tags, g.metadata,
      g.usage_detail, g.api_key_id, g.policy_violations, g.reservation_id, g.unchecked
    from rows from (
      jsonb_to_recordset(v_events) as (
        id uuid, "timestamp" timestamptz, user_id uuid, latency_ms double precision, input_tokens integer,
        cache_read_tokens integer, cache_write_5m_tokens integer, cache_write_1h_tokens integer, output_tokens integer,
        reasoning_tokens integer, cost numeric, pricing text, provider text, model text, project text, status text,
        error_message text, tags jsonb, metadata jsonb, usage_detail jsonb, api_key_id uuid, policy_violations text[],
        reservation_id uuid, unchecked boolean
      )
    ) with ordinality as g (
      id, "timestamp", user_id, latency_ms, input_tokens, cache_read_tokens, cache_write_5m_tokens,
      cache_write_1h_tokens, output_tokens, reasoning_tokens, cost, pricing, provider, model, project, status,
      error_message, tags, metadata, usage_detail, api_key_id, policy_violations, reservation_id, unchecked, position
    )
    order by g.id, g.position
    on conflict do nothing
    returning e as event, e.id
  )
  select array_agg(r.event), array_agg(r.id) into v_recorded, v_ids
  from recorded r;
  if v_ids is not null then
    perform llmlab_private.add_to_totals(p_workspace_id, v_recorded, null, p_created_at);
  end if;
  if jsonb_path_exists(v_events, '$[*].reservation_id') then
    perform llmlab_private.settle_reservations(p_workspace_id, v_events, v_ids);
  end if;
  if jsonb_path_exists(v_events, '$[*].unchecked') then
    perform llmlab_private.count_unchecked_calls(p_workspace_id, array(
      select g.id
      from jsonb_to_recordset(v_events) as g (id uuid, unchecked boolean)
      where g.unchecked and g.id = any (v_ids)));
  end if;

  if cardinality(v_ids) = jsonb_array_length(v_events) then
    return '[]'::jsonb;
  end if;

  -- An event is a duplicate when it existed before, or occurs earlier in the same list. This is a statement of its own,
  -- because only a new snapshot sees what a concurrent writer has just committed.
  return (
    select jsonb_agg(jsonb_build_object('position', d.position - 1, 'event', (
      select e.event from llmlab_private.events_as_json e where e.workspace_id = p_workspace_id and e.id = d.id))
      order by d.position)
    from (
      select u.id, u.position, row_number() over (partition by u.id order by u.position) as occurrence
      from rows from (jsonb_to_recordset(v_events) as (id uuid)) with ordinality as u (id, position)
    ) d
    where d.occurrence > 1 or d.id <> all (coalesce(v_ids, '{}'))
  );
end
$$;


-- Corrects events by other records of the same calls, and moves the difference from the totals of the old values to
-- those of the new ones. p_corrections is a JSON array of objects: the id, the corrected_at that the correction is based
-- on, and the event with its new columns; without an event the row is deleted. An event that was corrected since, or
-- does not exist, is left alone. Answers with the ids of those.
create function public.correct_events(
  p_workspace_id uuid,
  p_corrected_at timestamptz,
  p_corrections text
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
set plan_cache_mode = force_generic_plan
as $$
declare
  -- By id, so that a row finds its correction without a join.
  v_corrections jsonb := (
    select jsonb_object_agg(c.value ->> 'id', c.value) from jsonb_array_elements(p_corrections::jsonb) c);
  v_given uuid[] := array(select k::uuid from jsonb_object_keys(v_corrections) k);
  v_before public.events[];
  v_after public.events[];
  v_ids uuid[];
  v_settled jsonb;
  v_unchecked uuid[];
begin
  perform llmlab_private.lock_totals(p_workspace_id, false);
  select array_agg(c.event), array_agg(c.id) into v_before, v_ids
  from (
    select e as event, e.id
    from public.events e
    where e.workspace_id = p_workspace_id and e.id = any (v_given)
      and e.corrected_at is not distinct from (v_corrections -> e.id::text ->> 'corrected_at')::timestamptz
    order by e.id
    for update
  ) c;
  if v_ids is not null then
    delete from public.events e
    where e.workspace_id = p_workspace_id and e.id = any (v_ids) and v_corrections -> e.id::text -> 'event' is null;
    with corrected as (
      update public.events e
      set corrected_at = p_corrected_at,
        ("timestamp", latency_ms, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
         output_tokens, reasoning_tokens, cost, pricing, provider, model, project, status, error_message, tags,
         usage_detail, policy_violations, reservation_id, unchecked) = (
          select g."timestamp", g.latency_ms, g.input_tokens, g.cache_read_tokens, g.cache_write_5m_tokens,
            g.cache_write_1h_tokens, g.output_tokens, g.reasoning_tokens, g.cost, g.pricing, g.provider, g.model,
            g.project, g.status, g.error_message, g.tags, g.usage_detail, g.policy_violations, g.reservation_id,
            g.unchecked
          from jsonb_populate_record(null::public.events, v_corrections -> e.id::text -> 'event') g)
      where e.workspace_id = p_workspace_id and e.id = any (v_ids)
      returning e as event
    )
    select array_agg(c.event) into v_after
    from corrected c;
    perform llmlab_private.add_to_totals(p_workspace_id, v_after, v_before, p_corrected_at);
    -- A report may be the first to name the reservation of its call, or to tell that there was none.
    select jsonb_agg(jsonb_build_object('id', a.id, 'reservation_id', a.reservation_id)) into v_settled
    from unnest(v_after) a
    join unnest(v_before) b using (id)
    where a.reservation_id is not null and b.reservation_id is null;
    if v_settled is not null then
      perform llmlab_private.settle_reservations(p_workspace_id, v_settled, v_ids);
    end if;
    select array_agg(a.id) into v_unchecked
    from unnest(v_after) a
    join unnest(v_before) b using (id)
    where a.unchecked and b.unchecked is not true;
    if v_unchecked is not null then
      perform llmlab_private.count_unchecked_calls(p_workspace_id, v_unchecked);
    end if;
  end if;
  return (
    select coalesce(jsonb_agg(g.id order by g.id), '[]')
    from (select g.id from unnest(v_given) as g (id) except select unnest(v_ids)) g
  );
end
$$;


-- One event; null when this workspace has none with this id.
create function public.event_one(
  p_workspace_id uuid,
  p_event_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    select e.event
    from llmlab_private.events_as_json e
    where e.workspace_id = p_workspace_id and e.id = p_event_id
  );
end
$$;


-- The newest events that match the filters (null matches all), before the given position, as one array. A project is
-- given by name or id.
create function public.event_list(
  p_workspace_id uuid,
  p_start timestamptz,
  p_end timestamptz,
  p_provider text,
  p_model text,
  p_project text,
  p_status text,
  p_tag text,
  p_policy_violation text,
  p_before_timestamp timestamptz,
  p_before_id uuid,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
-- A page is read in the order of its index. When the planner expects few rows, it would read and sort all of them.
set enable_sort = off
as $$
declare
  v_project text := llmlab_private.project_key(p_workspace_id, p_project);
begin
  return (
    select coalesce(jsonb_agg((
      select j.event from llmlab_private.events_as_json j where j.workspace_id = p_workspace_id and j.id = page.id)
      order by page."timestamp" desc, page.id desc), '[]')
    from (
      select e."timestamp", e.id
      from public.events e
      where e.workspace_id = p_workspace_id
        and e."timestamp" >= coalesce(p_start, '-infinity')
        and e."timestamp" < coalesce(p_end, 'infinity')
        and e."timestamp" <= coalesce(p_before_timestamp, 'infinity')
        and (p_before_id is null or (e."timestamp", e.id) < (p_before_timestamp, p_before_id))
        and (p_provider is null or e.provider = p_provider)
        and (p_model is null or e.model = p_model)
        and (p_project is null or e.project = v_project)
        and (p_status is null or e.status = p_status)
        and (p_tag is null or e.tags @> p_tag::jsonb)
        and (p_policy_violation is null or p_policy_violation = any (e.policy_violations))
      order by e."timestamp" desc, e.id desc
      limit p_limit
    ) page
  );
end
$$;
