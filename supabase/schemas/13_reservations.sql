-- Reservations: money held for calls in progress.

-- The amount is free again when the call is recorded, the reservation is released or it expires.
create table public.reservations (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  provider text not null,
  model text not null,
  amount numeric not null check (amount >= 0),
  pricing text not null,
  created_by uuid not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  primary key (workspace_id, id)
);
-- Serves deleting the expired ones.
create index reservations_expires_at_idx on public.reservations (workspace_id, expires_at);
alter table public.reservations alter column workspace_id set statistics 0;
alter table public.reservations enable row level security;

-- The amount that a reservation holds on each hard budget that includes the call.
create table public.holds (
  workspace_id uuid not null,
  budget_id uuid not null,
  reservation_id uuid not null,
  period_start timestamptz not null,
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


-- Holds an amount on every hard budget that includes the call, or on none. Answers with the first of them that has too
-- little left, in the form of budgets_of_call, or null when all have enough.
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
  p_pricing text,
  p_now timestamptz,
  p_expires_at timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
as $$
declare
  v_budgets jsonb;
  v_short jsonb;
begin
  -- Reservations on the same hard budgets run one at a time, and each sees the holds of those before it.
  perform from public.budgets b where b.workspace_id = p_workspace_id and b.hard order by b.id for no key update;
  delete from public.reservations r where r.workspace_id = p_workspace_id and r.expires_at <= p_now;
  v_budgets := public.budgets_of_call(p_workspace_id, p_provider, p_model, p_project, p_tags, p_api_key_id, p_now);
  select b.value into v_short
  from jsonb_array_elements(v_budgets) b
  where (b.value ->> 'hard')::boolean and (b.value ->> 'remaining')::numeric < p_amount
  limit 1;
  if v_short is not null then
    return v_short;
  end if;
  insert into public.reservations
    (workspace_id, id, provider, model, amount, pricing, created_by, created_at, expires_at)
  values
    (p_workspace_id, p_reservation_id, p_provider, p_model, p_amount, p_pricing, p_user_id, p_now, p_expires_at);
  insert into public.holds (workspace_id, budget_id, reservation_id, period_start, amount, expires_at)
  select p_workspace_id, (b.value ->> 'id')::uuid, p_reservation_id, (b.value ->> 'period_start')::timestamptz,
    p_amount, p_expires_at
  from jsonb_array_elements(v_budgets) b
  where (b.value ->> 'hard')::boolean;
  return null;
end
$$;


-- Releases a reservation; false when it no longer exists.
create function public.reservation_release(
  p_workspace_id uuid,
  p_reservation_id uuid,
  p_now timestamptz
) returns boolean
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
as $$
begin
  delete from public.reservations r
  where r.workspace_id = p_workspace_id and r.id = p_reservation_id and r.expires_at > p_now;
  return found;
end
$$;
