-- A workspace's custom prices: what it negotiated, for events from a date on.

create table public.prices (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  provider text not null,
  -- A model's name; * matches anything.
  model text not null,
  starts_at timestamptz not null,
  ends_at timestamptz,
  -- Either a percentage of the list price, or USD per million tokens; request is USD per request.
  percent_of_list numeric check (percent_of_list >= 0),
  input numeric check (input >= 0),
  cache_read numeric check (cache_read >= 0),
  cache_write numeric check (cache_write >= 0),
  cache_write_1h numeric check (cache_write_1h >= 0),
  output numeric check (output >= 0),
  reasoning numeric check (reasoning >= 0),
  request numeric check (request >= 0),
  created_by uuid not null,
  created_at timestamptz not null,
  primary key (workspace_id, id),
  check (ends_at > starts_at),
  check ((percent_of_list is null) <> (input is null and output is null and request is null))
);
alter table public.prices alter column workspace_id set statistics 0;
alter table public.prices enable row level security;


-- The prices, newest first; only one when p_price_id names it. Amounts are text.
create function public.price_list(
  p_workspace_id uuid,
  p_price_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', p.id, 'provider', p.provider, 'model', p.model, 'starts_at', p.starts_at, 'ends_at', p.ends_at,
      'percent_of_list', p.percent_of_list::text, 'input', p.input::text, 'cache_read', p.cache_read::text,
      'cache_write', p.cache_write::text, 'cache_write_1h', p.cache_write_1h::text, 'output', p.output::text,
      'reasoning', p.reasoning::text, 'request', p.request::text, 'created_by', p.created_by,
      'created_at', p.created_at) order by p.created_at desc, p.id), '[]')
    from public.prices p
    where p.workspace_id = p_workspace_id and (p_price_id is null or p.id = p_price_id)
  );
end
$$;


-- Adds a price. Refused beyond 1,000.
create function public.price_create(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_user_id uuid,
  p_price_id uuid,
  p_provider text,
  p_model text,
  p_starts_at timestamptz,
  p_ends_at timestamptz,
  p_percent_of_list numeric,
  p_input numeric,
  p_cache_read numeric,
  p_cache_write numeric,
  p_cache_write_1h numeric,
  p_output numeric,
  p_reasoning numeric,
  p_request numeric,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  update public.workspaces w set terms_version = w.terms_version + 1 where w.id = p_workspace_id;
  if (select count(*) from public.prices p where p.workspace_id = p_workspace_id) >= 1000 then
    raise exception 'A workspace has at most 1,000 custom prices' using errcode = 'PT409';
  end if;
  insert into public.prices
    (workspace_id, id, provider, model, starts_at, ends_at, percent_of_list, input, cache_read, cache_write,
     cache_write_1h, output, reasoning, request, created_by, created_at)
  values
    (p_workspace_id, p_price_id, p_provider, p_model, p_starts_at, p_ends_at, p_percent_of_list, p_input, p_cache_read,
     p_cache_write, p_cache_write_1h, p_output, p_reasoning, p_request, p_user_id, p_now);
  perform llmlab_private.audit_write(
    p_workspace_id, p_actor_id, 'price.created', p_provider || '/' || p_model,
    public.price_list(p_workspace_id, p_price_id) -> 0, p_now);
  return public.price_list(p_workspace_id, p_price_id);
end
$$;


-- Ends a price at a time after its start.
create function public.price_end(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_price_id uuid,
  p_ends_at timestamptz,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
declare
  v_price public.prices;
begin
  update public.workspaces w set terms_version = w.terms_version + 1 where w.id = p_workspace_id;
  select * into v_price from public.prices p where p.workspace_id = p_workspace_id and p.id = p_price_id;
  if not found then
    raise exception 'Price not found' using errcode = 'PT404';
  end if;
  if p_ends_at <= v_price.starts_at then
    raise exception 'A price cannot end before it starts' using errcode = 'PT409';
  end if;
  update public.prices p set ends_at = p_ends_at where p.workspace_id = p_workspace_id and p.id = p_price_id;
  perform llmlab_private.audit_write(
    p_workspace_id, p_actor_id, 'price.ended', v_price.provider || '/' || v_price.model,
    jsonb_build_object('id', p_price_id, 'ends_at', p_ends_at, 'before', v_price.ends_at), p_now);
  return public.price_list(p_workspace_id, p_price_id);
end
$$;
