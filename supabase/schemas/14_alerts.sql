-- Alerts, the channels they go to, and their deliveries. An alert and its deliveries are written in one transaction
-- with what caused it, so that none is lost when a process ends.

-- Each is created once: for a budget's threshold in a period, a model without a price, and so on.
create table public.alerts (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  kind text not null check (kind in ('budget', 'unpriced_model', 'anomaly', 'digest', 'refused_calls', 'test')),
  -- The name of what it is about: with kind and period_start it identifies an alert without a budget.
  subject text not null,
  budget_id uuid,
  period_start timestamptz,
  threshold numeric,
  spend numeric,
  details jsonb not null default '{}',
  created_at timestamptz not null,
  primary key (workspace_id, id),
  foreign key (workspace_id, budget_id) references public.budgets on delete cascade
);
-- One alert per threshold of a budget's period.
create unique index alerts_budget_key on public.alerts (workspace_id, budget_id, period_start, threshold)
where kind = 'budget';
-- One alert per subject and period, where there is one.
create unique index alerts_subject_key on public.alerts (workspace_id, kind, subject, period_start) nulls not distinct
where kind in ('unpriced_model', 'anomaly', 'digest', 'refused_calls');
-- Serves the newest-first list and its cursor.
create index alerts_created_at_idx on public.alerts (workspace_id, created_at desc, id desc);
alter table public.alerts alter column workspace_id set statistics 0;
alter table public.alerts enable row level security;

create table public.alert_channels (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  kind text not null check (kind in ('webhook', 'slack', 'discord', 'email', 'other')),
  name text not null,
  -- The part of the address that may be shown: its kind and host.
  target text not null,
  -- The output of utils/cipher.py for the full address and the signing secret; it decrypts only for this workspace and
  -- id.
  ciphertext text not null,
  created_by uuid not null,
  created_at timestamptz not null,
  -- The digest that the channel receives; null for none.
  digest text check (digest in ('daily', 'weekly')),
  primary key (workspace_id, id),
  unique (workspace_id, name)
);
alter table public.alert_channels alter column workspace_id set statistics 0;
alter table public.alert_channels enable row level security;

create table public.deliveries (
  workspace_id uuid not null,
  alert_id uuid not null,
  channel_id uuid not null,
  -- Identifies the delivery to its receiver: it is the same in all attempts, and a new one when an alert is sent again.
  id uuid not null default gen_random_uuid(),
  status text not null default 'pending' check (status in ('pending', 'delivered', 'dead')),
  attempts integer not null default 0,
  -- During an attempt, the time from which another worker may take over.
  next_attempt_at timestamptz not null,
  last_error text,
  delivered_at timestamptz,
  primary key (workspace_id, alert_id, channel_id),
  foreign key (workspace_id, alert_id) references public.alerts on delete cascade,
  foreign key (workspace_id, channel_id) references public.alert_channels on delete cascade
);
-- Serves the claim, which works across workspaces.
create index deliveries_pending_idx on public.deliveries (next_attempt_at) where status = 'pending';
-- Serves the deletes that follow a channel's.
create index deliveries_channel_id_idx on public.deliveries (workspace_id, channel_id);
alter table public.deliveries alter column workspace_id set statistics 0;
alter table public.deliveries enable row level security;

-- Every finished attempt; error is null for a successful one.
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
alter table public.delivery_attempts alter column workspace_id set statistics 0;
alter table public.delivery_attempts enable row level security;


-- Alerts as the API returns them, with their deliveries.
create view llmlab_private.alerts_as_json with (security_invoker = true) as
select a.workspace_id, a.id, a.created_at,
  jsonb_build_object(
    'id', a.id, 'kind', a.kind, 'subject', a.subject, 'budget_id', a.budget_id, 'period_start', a.period_start,
    'threshold', a.threshold, 'spend', a.spend::text, 'details', a.details, 'created_at', a.created_at,
    'deliveries', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'channel_id', d.channel_id, 'channel', c.name, 'kind', c.kind, 'status', d.status, 'attempts', d.attempts,
        'last_error', d.last_error, 'delivered_at', d.delivered_at,
        'next_attempt_at', case d.status when 'pending' then d.next_attempt_at end) order by c.name), '[]')
      from public.deliveries d
      cross join lateral (
        select c.name, c.kind
        from public.alert_channels c
        where c.workspace_id = d.workspace_id and c.id = d.channel_id
        -- Keeps the planner from reading all channels for each alert.
        offset 0
      ) c
      where d.workspace_id = a.workspace_id and d.alert_id = a.id)) as alert
from public.alerts a;


-- Channels as the API returns them, without their secrets.
create view llmlab_private.channels_as_json with (security_invoker = true) as
select c.workspace_id, c.id, c.name,
  jsonb_build_object(
    'id', c.id, 'kind', c.kind, 'name', c.name, 'target', c.target, 'digest', c.digest, 'created_by', c.created_by,
    'created_at', c.created_at) as channel
from public.alert_channels c;


-- Queues alerts for the channels of their workspace: a test for its own channel, a digest for the channels that
-- subscribe to it, anything else for all. An alert queued again is a new delivery to its receiver. False when there is
-- no channel for them.
create function llmlab_private.queue_deliveries(
  p_workspace_id uuid,
  p_alert_ids uuid[],
  p_now timestamptz
) returns boolean
language plpgsql security invoker set search_path = ''
as $$
begin
  insert into public.deliveries as d (workspace_id, alert_id, channel_id, next_attempt_at)
  select p_workspace_id, a.id, c.id, p_now
  from public.alerts a
  join public.alert_channels c on c.workspace_id = a.workspace_id
    and case a.kind
      when 'test' then c.id = (a.details ->> 'channel_id')::uuid
      when 'digest' then c.digest is not distinct from a.subject
      else true end
  where a.workspace_id = p_workspace_id and a.id = any (p_alert_ids)
  order by c.id, a.id
  on conflict (workspace_id, alert_id, channel_id) do update set
    id = excluded.id, status = 'pending', attempts = 0, next_attempt_at = excluded.next_attempt_at, last_error = null,
    delivered_at = null;
  return found;
end
$$;


-- The newest alerts before the given position, as one array.
create function public.alert_list(
  p_workspace_id uuid,
  p_before_at timestamptz,
  p_before_id uuid,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
-- A page is read in the order of its index. When the planner expects few rows, it would read and sort all of them.
set enable_sort = off
as $$
begin
  return (
    select coalesce(jsonb_agg((
      select j.alert from llmlab_private.alerts_as_json j where j.workspace_id = p_workspace_id and j.id = page.id)
      order by page.created_at desc, page.id desc), '[]')
    from (
      select a.created_at, a.id
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


-- Queues an alert again for every current channel it applies to.
create function public.alert_resend(
  p_workspace_id uuid,
  p_alert_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  if not exists (select from public.alerts a where a.workspace_id = p_workspace_id and a.id = p_alert_id) then
    raise exception 'Alert not found' using errcode = 'PT404';
  end if;
  if not llmlab_private.queue_deliveries(p_workspace_id, array[p_alert_id], p_now) then
    raise exception 'The workspace has no channel to send this to' using errcode = 'PT409';
  end if;
  return (
    select a.alert from llmlab_private.alerts_as_json a where a.workspace_id = p_workspace_id and a.id = p_alert_id
  );
end
$$;


-- Creates an alert for one channel that only shows that alerts arrive.
create function public.alert_test(
  p_workspace_id uuid,
  p_alert_id uuid,
  p_channel_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  insert into public.alerts (workspace_id, id, kind, subject, details, created_at)
  select p_workspace_id, p_alert_id, 'test', c.name, jsonb_build_object('channel_id', c.id), p_now
  from public.alert_channels c
  where c.workspace_id = p_workspace_id and c.id = p_channel_id;
  if not found then
    raise exception 'Alert channel not found' using errcode = 'PT404';
  end if;
  perform llmlab_private.queue_deliveries(p_workspace_id, array[p_alert_id], p_now);
  return (
    select a.alert from llmlab_private.alerts_as_json a where a.workspace_id = p_workspace_id and a.id = p_alert_id
  );
end
$$;


-- The channels without their secrets, by name.
create function public.channel_list(
  p_workspace_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    select coalesce(jsonb_agg(c.channel order by c.name), '[]')
    from llmlab_private.channels_as_json c
    where c.workspace_id = p_workspace_id
  );
end
$$;


-- Stores a channel. Refused when there is one of this name, and beyond 50.
create function public.channel_create(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_user_id uuid,
  p_channel_id uuid,
  p_kind text,
  p_name text,
  p_target text,
  p_digest text,
  p_ciphertext text,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  perform from public.workspaces w where w.id = p_workspace_id for no key update;
  if (select count(*) from public.alert_channels c where c.workspace_id = p_workspace_id) >= 50 then
    raise exception 'A workspace has at most 50 alert channels' using errcode = 'PT409';
  end if;
  insert into public.alert_channels
    (workspace_id, id, kind, name, target, digest, ciphertext, created_by, created_at)
  values (p_workspace_id, p_channel_id, p_kind, p_name, p_target, p_digest, p_ciphertext, p_user_id, p_now)
  on conflict (workspace_id, name) do nothing;
  if not found then
    raise exception 'An alert channel with this name already exists' using errcode = 'PT409';
  end if;
  -- The first digest does not wait for the next hourly watch.
  update public.watches c set next_at = '-infinity' where c.workspace_id = p_workspace_id;
  perform llmlab_private.audit_write(
    p_workspace_id, p_actor_id, 'channel.created', p_name,
    jsonb_build_object('id', p_channel_id, 'kind', p_kind, 'target', p_target, 'digest', p_digest), p_now);
end
$$;


-- Changes which digest a channel receives.
create function public.channel_update(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_channel_id uuid,
  p_digest text,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
declare
  v_name text;
begin
  update public.alert_channels c set digest = p_digest
  where c.workspace_id = p_workspace_id and c.id = p_channel_id
  returning c.name into v_name;
  if not found then
    raise exception 'Alert channel not found' using errcode = 'PT404';
  end if;
  update public.watches c set next_at = '-infinity' where c.workspace_id = p_workspace_id;
  perform llmlab_private.audit_write(
    p_workspace_id, p_actor_id, 'channel.updated', v_name,
    jsonb_build_object('id', p_channel_id, 'digest', p_digest), p_now);
  return (
    select c.channel
    from llmlab_private.channels_as_json c
    where c.workspace_id = p_workspace_id and c.id = p_channel_id
  );
end
$$;


-- Deletes a channel with its pending deliveries.
create function public.channel_delete(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_channel_id uuid,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
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
  perform llmlab_private.audit_write(
    p_workspace_id, p_actor_id, 'channel.deleted', v_deleted.name,
    jsonb_build_object('id', p_channel_id, 'kind', v_deleted.kind), p_now);
end
$$;


-- The encrypted channels of one workspace, for encrypting them with another key.
create function public.channel_ciphertexts(
  p_workspace_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'ciphertext', c.ciphertext) order by c.id), '[]')
    from public.alert_channels c
    where c.workspace_id = p_workspace_id
  );
end
$$;


-- Replaces a channel's ciphertext; false when it has changed in the meantime.
create function public.channel_reencrypt(
  p_workspace_id uuid,
  p_channel_id uuid,
  p_before text,
  p_after text
) returns boolean
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
begin
  update public.alert_channels c set ciphertext = p_after
  where c.workspace_id = p_workspace_id and c.id = p_channel_id and c.ciphertext = p_before;
  return found;
end
$$;


-- Claims pending deliveries of all workspaces until p_lease_until and answers with everything needed to send them, but
-- for the contributors of a budget, whose number of calls must not delay other workspaces. Each goes to one worker; one
-- that is not finished in time is pending again.
create function public.delivery_claim(
  p_now timestamptz,
  p_lease_until timestamptz,
  p_limit integer
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
-- Deliveries are read in the order of their index. When the planner expects few, it would read and sort all of them.
set enable_sort = off
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
      'period_start', a.period_start, 'period_end', llmlab_private.period_end(b.period, b.days, b.tz, a.period_start))
      end)), '[]')
  into v_claimed
  from claimed d
  -- Each offset keeps the planner from reading the rows of all workspaces.
  cross join lateral (
    select * from public.workspaces w where w.id = d.workspace_id offset 0) w
  cross join lateral (
    select * from public.alert_channels c where c.workspace_id = d.workspace_id and c.id = d.channel_id offset 0) c
  cross join lateral (
    select * from public.alerts a where a.workspace_id = d.workspace_id and a.id = d.alert_id offset 0) a
  left join lateral (
    select * from public.budgets b where b.workspace_id = a.workspace_id and b.id = a.budget_id offset 0) b on true;
  return v_claimed;
end
$$;


-- Records the result of an attempt: delivered when there is no error, to be tried again at p_retry_at, or dead when
-- that is null. A worker that was slower than its lease does not change the state set by the worker that took over,
-- unless it delivered.
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
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
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


-- The number of deliveries waiting, in all workspaces.
create function public.outbox_pending() returns bigint
language plpgsql stable security invoker set search_path = '' set statement_timeout = '5s'
as $$
begin
  return (select count(*) from public.deliveries d where d.status = 'pending');
end
$$;
