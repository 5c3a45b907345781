-- Reservations: money held for calls in progress.

-- A reservation holds its amount once for each of its calls. A call's amount is free again when the call is recorded or
-- released, or when the reservation expires.
create table public.reservations (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  provider text not null,
  model text not null,
  -- The most that one call can cost.
  amount numeric not null check (amount >= 0),
  pricing text not null,
  created_by uuid not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  -- The calls that are neither recorded nor released.
  calls integer not null check (calls > 0),
  primary key (workspace_id, id)
);
-- Serves deleting the expired ones.
create index reservations_expires_at_idx on public.reservations (workspace_id, expires_at);
alter table public.reservations alter column workspace_id set statistics 0;
alter table public.reservations enable row level security;

-- The amount that a reservation holds on each hard budget that includes its calls: in whichever period is current,
-- because a call may be made after the period in which it was reserved.
create table public.holds (
  workspace_id uuid not null,
  budget_id uuid not null,
  reservation_id uuid not null,
  amount numeric not null,
  expires_at timestamptz not null,
  primary key (workspace_id, budget_id, reservation_id),
  foreign key (workspace_id, budget_id) references public.budgets on delete cascade,
  foreign key (workspace_id, reservation_id) references public.reservations on delete cascade
);
-- Serves the deletes that follow a reservation's.
create index holds_reservation_id_idx on public.holds (workspace_id, reservation_id);
alter table public.holds alter column workspace_id set statistics 0;
alter table public.holds enable row level security;


-- Holds an amount for each of up to p_calls calls on every hard budget that includes them, or nothing. More than one
-- call gets at most a tenth of what is left, so that a holder that makes no calls keeps little from the others. Answers
-- with the number of calls, or else with the budget that has too little left, in the form of budgets_of_call.
create function public.reserve(
  p_workspace_id uuid,
  p_reservation_id uuid,
  p_user_id uuid,
  p_provider text,
  p_model text,
  p_project text,
  p_tags text,
  p_api_key_id uuid,
  p_amount numeric,
  p_calls integer,
  p_pricing text,
  p_now timestamptz,
  p_expires_at timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
as $$
declare
  v_budgets jsonb;
  v_tightest jsonb;
  v_calls integer := p_calls;
begin
  -- Reservations on the same hard budgets run one at a time, and each sees the holds of those before it.
  perform from public.budgets b where b.workspace_id = p_workspace_id and b.hard order by b.id for no key update;
  -- Those that record_events is settling are left to a later reservation: waiting for them could deadlock.
  delete from public.reservations r
  where r.workspace_id = p_workspace_id and r.id = any (array(
    select e.id
    from public.reservations e
    where e.workspace_id = p_workspace_id and e.expires_at <= p_now
    for update skip locked));
  v_budgets := public.budgets_of_call(p_workspace_id, p_provider, p_model, p_project, p_tags, p_api_key_id, p_now);
  select b.value into v_tightest
  from jsonb_array_elements(v_budgets) b
  where (b.value ->> 'hard')::boolean
  limit 1;
  if (v_tightest ->> 'remaining')::numeric < p_amount then
    return jsonb_build_object('short', v_tightest);
  end if;
  if p_amount > 0 and v_tightest is not null then
    v_calls := greatest(1, least(p_calls, floor((v_tightest ->> 'remaining')::numeric / (10 * p_amount))));
  end if;
  insert into public.reservations
    (workspace_id, id, provider, model, amount, pricing, created_by, created_at, expires_at, calls)
  values
    (p_workspace_id, p_reservation_id, p_provider, p_model, p_amount, p_pricing, p_user_id, p_now, p_expires_at,
     v_calls);
  insert into public.holds (workspace_id, budget_id, reservation_id, amount, expires_at)
  select p_workspace_id, (b.value ->> 'id')::uuid, p_reservation_id, v_calls * p_amount, p_expires_at
  from jsonb_array_elements(v_budgets) b
  where (b.value ->> 'hard')::boolean;
  return jsonb_build_object('calls', v_calls);
end
$$;


-- Takes calls off reservations and frees their amounts. p_taken has the number of calls by the id of the reservation.
create function llmlab_private.free_calls(
  p_workspace_id uuid,
  p_taken jsonb
) returns void
language plpgsql security invoker set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
declare
  v_ids uuid[] := array(select k::uuid from jsonb_object_keys(p_taken) k);
begin
  perform from public.reservations r
  where r.workspace_id = p_workspace_id and r.id = any (v_ids)
  order by r.id
  for update;
  delete from public.reservations r
  where r.workspace_id = p_workspace_id and r.id = any (v_ids) and r.calls <= (p_taken ->> r.id::text)::integer;
  update public.holds h
  set amount = h.amount - (p_taken ->> h.reservation_id::text)::integer * (
    select r.amount from public.reservations r where r.workspace_id = p_workspace_id and r.id = h.reservation_id)
  where h.workspace_id = p_workspace_id and h.reservation_id = any (v_ids);
  update public.reservations r
  set calls = r.calls - (p_taken ->> r.id::text)::integer
  where r.workspace_id = p_workspace_id and r.id = any (v_ids);
end
$$;


-- Frees a call's amount for each of the recorded events that names a reservation. p_events is as record_events takes it.
create function llmlab_private.settle_reservations(
  p_workspace_id uuid,
  p_events jsonb,
  p_recorded uuid[]
) returns void
language plpgsql security invoker set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
begin
  perform llmlab_private.free_calls(p_workspace_id, (
    select coalesce(jsonb_object_agg(s.reservation_id, s.calls), '{}')
    from (
      select f.reservation_id, count(*) as calls
      from (
        -- Of events with the same id, the first is the recorded one.
        select distinct on (g.id) g.id, g.reservation_id
        from rows from (jsonb_to_recordset(p_events) as (id uuid, reservation_id uuid))
          with ordinality as g (id, reservation_id, position)
        where g.id = any (p_recorded)
        order by g.id, g.position
      ) f
      where f.reservation_id is not null
      group by f.reservation_id
    ) s));
end
$$;


-- Releases calls of a reservation, or all when p_calls is null; false when it no longer exists.
create function public.reservation_release(
  p_workspace_id uuid,
  p_reservation_id uuid,
  p_calls integer,
  p_now timestamptz
) returns boolean
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
as $$
declare
  v_calls integer;
begin
  select r.calls into v_calls
  from public.reservations r
  where r.workspace_id = p_workspace_id and r.id = p_reservation_id and r.expires_at > p_now
  for update;
  if v_calls is null then
    return false;
  end if;
  perform llmlab_private.free_calls(
    p_workspace_id, jsonb_build_object(p_reservation_id, coalesce(p_calls, v_calls)));
  return true;
end
$$;


-- Adds calls that were made without a check to the periods of the budgets that include them.
create function llmlab_private.count_unchecked_calls(
  p_workspace_id uuid,
  p_event_ids uuid[]
) returns void
language plpgsql security invoker set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
begin
  insert into public.unchecked_calls as u
  select p_workspace_id, b.id, llmlab_private.period_start(b.period, b.starts_on, b.days, b.tz, e."timestamp") as start,
    count(*)
  from public.budgets b
  join public.events e on e.workspace_id = p_workspace_id and e.id = any (p_event_ids)
    and (b.project_key is null or e.project = b.project_key)
    and (b.provider is null or e.provider = b.provider)
    and (b.model_like is null or e.model ilike b.model_like)
    and (b.tag_key is null or e.tags ->> b.tag_key = b.tag_value)
    and (b.api_key_id is null or e.api_key_id = b.api_key_id)
  where b.workspace_id = p_workspace_id
  group by b.id, start
  order by b.id, start
  on conflict (workspace_id, budget_id, period_start) do update set calls = u.calls + excluded.calls;
end
$$;
