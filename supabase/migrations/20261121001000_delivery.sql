-- Where alerts go, and the outbox that brings them there. An alert and its deliveries are written in one transaction, so
-- whatever happens to a process, what was crossed is told.

create table public.alert_channels (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  kind text not null check (kind in ('webhook', 'slack', 'discord', 'email', 'other')),
  name text not null,
  -- What may be shown of the address: how and to which host.
  target text not null,
  -- What utils/cipher.py makes of the whole address and the signing secret; it opens only for this workspace and id.
  ciphertext text not null,
  created_by uuid not null,
  created_at timestamptz not null,
  primary key (workspace_id, id),
  unique (workspace_id, name)
);

create table public.deliveries (
  workspace_id uuid not null,
  alert_id uuid not null,
  channel_id uuid not null,
  -- What a receiver tells deliveries apart by: it stays through all attempts, and sending an alert again makes another.
  id uuid not null default gen_random_uuid(),
  status text not null default 'pending' check (status in ('pending', 'delivered', 'dead')),
  attempts integer not null default 0,
  -- While a worker tries, the time at which another one may take over.
  next_attempt_at timestamptz not null,
  last_error text,
  delivered_at timestamptz,
  primary key (workspace_id, alert_id, channel_id),
  foreign key (workspace_id, alert_id) references public.alerts on delete cascade,
  foreign key (workspace_id, channel_id) references public.alert_channels on delete cascade
);
-- Serves the claim, which looks across workspaces.
create index deliveries_pending_idx on public.deliveries (next_attempt_at) where status = 'pending';
-- Serves the deletes that follow a channel's.
create index deliveries_channel_id_idx on public.deliveries (workspace_id, channel_id);

-- Every attempt that ended; error is null for the one that succeeded.
create table public.delivery_attempts (
  workspace_id uuid not null,
  id uuid not null default gen_random_uuid(),
  alert_id uuid not null,
  channel_id uuid not null,
  delivery_id uuid not null,
  attempt integer not null,
  ended_at timestamptz not null,
  error text,
  primary key (workspace_id, id),
  foreign key (workspace_id, alert_id, channel_id) references public.deliveries on delete cascade
);
-- Serves the deletes that follow a delivery's.
create index delivery_attempts_delivery_idx on public.delivery_attempts (workspace_id, alert_id, channel_id);

alter table public.alert_channels enable row level security;
alter table public.deliveries enable row level security;
alter table public.delivery_attempts enable row level security;
revoke all on public.alert_channels, public.deliveries, public.delivery_attempts from public, anon, authenticated;
grant select, insert, update, delete on public.alert_channels, public.deliveries, public.delivery_attempts
to service_role;


-- Queues a new alert for every channel of its workspace; a test goes to the one it names.
create function public.queue_deliveries() returns trigger
language plpgsql security invoker set search_path = ''
as $$
begin
  insert into public.deliveries (workspace_id, alert_id, channel_id, next_attempt_at)
  select new.workspace_id, new.id, c.id, new.created_at
  from public.alert_channels c
  where c.workspace_id = new.workspace_id
    and (new.kind <> 'test' or c.id = (new.details ->> 'channel_id')::uuid)
  order by c.id;
  return null;
end
$$;
revoke all on function public.queue_deliveries from public, anon, authenticated;
grant execute on function public.queue_deliveries to service_role;

create trigger alerts_are_delivered after insert on public.alerts
for each row execute function public.queue_deliveries();


-- The channels without their secrets, by name.
create function public.channel_list(
  p_workspace_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', c.id, 'kind', c.kind, 'name', c.name, 'target', c.target, 'created_by', c.created_by,
      'created_at', c.created_at) order by c.name), '[]')
    from public.alert_channels c
    where c.workspace_id = p_workspace_id
  );
end
$$;
revoke all on function public.channel_list from public, anon, authenticated;
grant execute on function public.channel_list to service_role;


-- Keeps a channel. Refused when there is one of that name, and beyond 50.
create function public.channel_create(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_user_id uuid,
  p_channel_id uuid,
  p_kind text,
  p_name text,
  p_target text,
  p_ciphertext text,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
begin
  perform from public.workspaces w where w.id = p_workspace_id for no key update;
  if (select count(*) from public.alert_channels c where c.workspace_id = p_workspace_id) >= 50 then
    raise exception 'A workspace has at most 50 alert channels' using errcode = 'PT409';
  end if;
  insert into public.alert_channels (workspace_id, id, kind, name, target, ciphertext, created_by, created_at)
  values (p_workspace_id, p_channel_id, p_kind, p_name, p_target, p_ciphertext, p_user_id, p_now)
  on conflict (workspace_id, name) do nothing;
  if not found then
    raise exception 'There is an alert channel of that name' using errcode = 'PT409';
  end if;
  perform public.note(
    p_workspace_id, p_actor_id, 'channel.created', p_name,
    jsonb_build_object('id', p_channel_id, 'kind', p_kind, 'target', p_target), p_now);
end
$$;
revoke all on function public.channel_create from public, anon, authenticated;
grant execute on function public.channel_create to service_role;


-- Forgets a channel, and what was still to be sent there.
create function public.channel_delete(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_channel_id uuid,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
declare
  v_deleted public.alert_channels;
begin
  delete from public.alert_channels c
  where c.workspace_id = p_workspace_id and c.id = p_channel_id
  returning * into v_deleted;
  if not found then
    raise exception 'Alert channel not found' using errcode = 'PT404';
  end if;
  perform public.note(
    p_workspace_id, p_actor_id, 'channel.deleted', v_deleted.name,
    jsonb_build_object('id', p_channel_id, 'kind', v_deleted.kind), p_now);
end
$$;
revoke all on function public.channel_delete from public, anon, authenticated;
grant execute on function public.channel_delete to service_role;


-- The encrypted channels of one workspace: for encrypting them anew under another key.
create function public.channel_ciphertexts(
  p_workspace_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'ciphertext', c.ciphertext) order by c.id), '[]')
    from public.alert_channels c
    where c.workspace_id = p_workspace_id
  );
end
$$;
revoke all on function public.channel_ciphertexts from public, anon, authenticated;
grant execute on function public.channel_ciphertexts to service_role;


-- Puts a channel's new ciphertext in place of the old one; false when somebody else changed it meanwhile.
create function public.channel_reencrypt(
  p_workspace_id uuid,
  p_channel_id uuid,
  p_before text,
  p_after text
) returns boolean
language plpgsql security invoker set search_path = ''
as $$
begin
  update public.alert_channels c set ciphertext = p_after
  where c.workspace_id = p_workspace_id and c.id = p_channel_id and c.ciphertext = p_before;
  return found;
end
$$;
revoke all on function public.channel_reencrypt from public, anon, authenticated;
grant execute on function public.channel_reencrypt to service_role;


-- An alert as the API shows it, with what became of it on each channel.
create function public.alert_json(p_alert public.alerts) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return jsonb_build_object(
    'id', p_alert.id, 'kind', p_alert.kind, 'subject', p_alert.subject, 'budget_id', p_alert.budget_id,
    'period_start', p_alert.period_start, 'threshold', p_alert.threshold, 'spend', p_alert.spend::text,
    'details', p_alert.details, 'created_at', p_alert.created_at,
    'deliveries', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'channel_id', c.id, 'channel', c.name, 'kind', c.kind, 'status', d.status, 'attempts', d.attempts,
        'last_error', d.last_error, 'delivered_at', d.delivered_at,
        'next_attempt_at', case d.status when 'pending' then d.next_attempt_at end) order by c.name), '[]')
      from public.deliveries d
      join public.alert_channels c on c.workspace_id = d.workspace_id and c.id = d.channel_id
      where d.workspace_id = p_alert.workspace_id and d.alert_id = p_alert.id));
end
$$;
revoke all on function public.alert_json from public, anon, authenticated;
grant execute on function public.alert_json to service_role;


-- The newest alerts from just before the given position, as one array.
create function public.alert_list(
  p_workspace_id uuid,
  p_before_at timestamptz,
  p_before_id uuid,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(public.alert_json(page.a) order by (page.a).created_at desc, (page.a).id desc), '[]')
    from (
      select a
      from public.alerts a
      where a.workspace_id = p_workspace_id
        and a.created_at <= coalesce(p_before_at, 'infinity')
        and (p_before_id is null or (a.created_at, a.id) < (p_before_at, p_before_id))
      order by a.created_at desc, a.id desc
      limit p_limit
    ) page
  );
end
$$;
revoke all on function public.alert_list from public, anon, authenticated;
grant execute on function public.alert_list to service_role;


-- Queues an alert anew for every channel there is now. A receiver sees it as another delivery.
create function public.alert_resend(
  p_workspace_id uuid,
  p_alert_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_alert public.alerts;
begin
  select * into v_alert from public.alerts a where a.workspace_id = p_workspace_id and a.id = p_alert_id;
  if not found then
    raise exception 'Alert not found' using errcode = 'PT404';
  end if;
  insert into public.deliveries as d (workspace_id, alert_id, channel_id, next_attempt_at)
  select p_workspace_id, p_alert_id, c.id, p_now
  from public.alert_channels c
  where c.workspace_id = p_workspace_id
    and (v_alert.kind <> 'test' or c.id = (v_alert.details ->> 'channel_id')::uuid)
  order by c.id
  on conflict (workspace_id, alert_id, channel_id) do update set
    id = excluded.id, status = 'pending', attempts = 0, next_attempt_at = excluded.next_attempt_at, last_error = null,
    delivered_at = null;
  if not found then
    raise exception 'There is no channel to send this to' using errcode = 'PT409';
  end if;
  return public.alert_json(v_alert);
end
$$;
revoke all on function public.alert_resend from public, anon, authenticated;
grant execute on function public.alert_resend to service_role;


-- Makes an alert that goes to one channel and only says that it arrives.
create function public.alert_test(
  p_workspace_id uuid,
  p_alert_id uuid,
  p_channel_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_alert public.alerts;
begin
  insert into public.alerts as a (workspace_id, id, kind, subject, details, created_at)
  select p_workspace_id, p_alert_id, 'test', c.name, jsonb_build_object('channel_id', c.id), p_now
  from public.alert_channels c
  where c.workspace_id = p_workspace_id and c.id = p_channel_id
  returning a.* into v_alert;
  if not found then
    raise exception 'Alert channel not found' using errcode = 'PT404';
  end if;
  return public.alert_json(v_alert);
end
$$;
revoke all on function public.alert_test from public, anon, authenticated;
grant execute on function public.alert_test to service_role;


-- The three models that cost most within a budget's scope in its period from p_start on. As budget_periods_recount does
-- it counts budgets of tags and API keys from the events.
create function public.budget_contributors(
  p_budget public.budgets,
  p_start timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_end timestamptz := public.period_end(p_budget, p_start);
begin
  if p_budget.tag_key is null and p_budget.api_key_id is null then
    return (
      select coalesce(jsonb_agg(jsonb_build_object('provider', m.provider, 'model', m.model, 'cost', m.cost::text)
                                order by m.cost desc, m.provider, m.model), '[]')
      from (
        select s.provider, s.model, sum(s.cost) as cost
        from public.spend_hourly s
        where s.workspace_id = p_budget.workspace_id and s.bucket >= p_start and s.bucket < v_end
          and (p_budget.project_key is null or s.project = p_budget.project_key)
          and (p_budget.provider is null or s.provider = p_budget.provider)
          and (p_budget.model_like is null or s.model ilike p_budget.model_like)
        group by s.provider, s.model
        having sum(s.cost) > 0
        order by sum(s.cost) desc, s.provider, s.model
        limit 3
      ) m
    );
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('provider', m.provider, 'model', m.model, 'cost', m.cost::text)
                              order by m.cost desc, m.provider, m.model), '[]')
    from (
      select e.provider, e.model, sum(e.cost) as cost
      from public.events e
      where e.workspace_id = p_budget.workspace_id and e."timestamp" >= p_start and e."timestamp" < v_end
        and (p_budget.project_key is null or e.project = p_budget.project_key)
        and (p_budget.provider is null or e.provider = p_budget.provider)
        and (p_budget.model_like is null or e.model ilike p_budget.model_like)
        and (p_budget.tag_key is null or e.tags ->> p_budget.tag_key = p_budget.tag_value)
        and (p_budget.api_key_id is null or e.api_key_id = p_budget.api_key_id)
      group by e.provider, e.model
      having sum(e.cost) > 0
      order by sum(e.cost) desc, e.provider, e.model
      limit 3
    ) m
  );
end
$$;
revoke all on function public.budget_contributors from public, anon, authenticated;
grant execute on function public.budget_contributors to service_role;


-- Takes deliveries that are due, of whatever workspace, until p_lease_until, and answers with all it needs to send them.
-- Each goes to one worker; one that does not end in time is due again.
create function public.delivery_claim(
  p_now timestamptz,
  p_lease_until timestamptz,
  p_limit integer
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_claimed jsonb;
begin
  with due as (
    select d.workspace_id, d.alert_id, d.channel_id
    from public.deliveries d
    where d.status = 'pending' and d.next_attempt_at <= p_now
    order by d.next_attempt_at
    limit p_limit
    for update skip locked
  ),
  claimed as (
    update public.deliveries d set attempts = d.attempts + 1, next_attempt_at = p_lease_until
    from due
    where d.workspace_id = due.workspace_id and d.alert_id = due.alert_id and d.channel_id = due.channel_id
    returning d.*
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'id', d.id, 'workspace_id', d.workspace_id, 'workspace', w.name, 'attempt', d.attempts,
    'channel_id', c.id, 'channel_kind', c.kind, 'ciphertext', c.ciphertext,
    'alert', jsonb_build_object(
      'id', a.id, 'kind', a.kind, 'subject', a.subject, 'budget_id', a.budget_id, 'period_start', a.period_start,
      'threshold', a.threshold, 'spend', a.spend::text, 'details', a.details, 'created_at', a.created_at),
    'budget', case when b.id is not null then jsonb_build_object(
      'id', b.id, 'name', b.name, 'limit', b."limit"::text, 'period', b.period, 'tz', b.tz,
      'period_start', a.period_start, 'period_end', public.period_end(b, a.period_start),
      'contributors', public.budget_contributors(b, a.period_start)) end)), '[]')
  into v_claimed
  from claimed d
  join public.workspaces w on w.id = d.workspace_id
  join public.alert_channels c on c.workspace_id = d.workspace_id and c.id = d.channel_id
  join public.alerts a on a.workspace_id = d.workspace_id and a.id = d.alert_id
  left join public.budgets b on b.workspace_id = a.workspace_id and b.id = a.budget_id;
  return v_claimed;
end
$$;
revoke all on function public.delivery_claim from public, anon, authenticated;
grant execute on function public.delivery_claim to service_role;


-- Writes down how an attempt ended: delivered without an error, to be tried again at p_retry_at, or dead without one. Who
-- was slower than its lease leaves the state to the worker that took over, unless it has delivered.
create function public.delivery_done(
  p_workspace_id uuid,
  p_alert_id uuid,
  p_channel_id uuid,
  p_delivery_id uuid,
  p_attempt integer,
  p_error text,
  p_retry_at timestamptz,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
begin
  insert into public.delivery_attempts
    (workspace_id, alert_id, channel_id, delivery_id, attempt, ended_at, error)
  select p_workspace_id, p_alert_id, p_channel_id, p_delivery_id, p_attempt, p_now, p_error
  from public.deliveries d
  where d.workspace_id = p_workspace_id and d.alert_id = p_alert_id and d.channel_id = p_channel_id
  for key share;
  update public.deliveries d set
    status = case when p_error is null then 'delivered' when p_retry_at is null then 'dead' else 'pending' end,
    next_attempt_at = coalesce(p_retry_at, p_now),
    last_error = p_error,
    delivered_at = case when p_error is null then p_now end
  where d.workspace_id = p_workspace_id and d.alert_id = p_alert_id and d.channel_id = p_channel_id
    and d.id = p_delivery_id and d.status = 'pending' and (d.attempts = p_attempt or p_error is null);
end
$$;
revoke all on function public.delivery_done from public, anon, authenticated;
grant execute on function public.delivery_done to service_role;
