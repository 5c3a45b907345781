-- What nobody has to ask for: alerts of a day that cost far more than usual, and digests.

-- When a workspace is looked at next.
create table public.watches (
  workspace_id uuid primary key references public.workspaces on delete cascade,
  next_at timestamptz not null
);
-- Serves the claim, which looks across workspaces.
create index watches_next_at_idx on public.watches (next_at);

alter table public.watches enable row level security;
revoke all on public.watches from public, anon, authenticated;
grant select, insert, update, delete on public.watches to service_role;

insert into public.watches (workspace_id, next_at) select w.id, '-infinity' from public.workspaces w;

alter table public.alert_channels add column digest text check (digest in ('daily', 'weekly'));


-- A new workspace is watched.
create function public.watch_workspace() returns trigger
language plpgsql security invoker set search_path = ''
as $$
begin
  insert into public.watches (workspace_id, next_at) values (new.id, '-infinity');
  return null;
end
$$;
revoke all on function public.watch_workspace from public, anon, authenticated;
grant execute on function public.watch_workspace to service_role;

create trigger workspaces_are_watched after insert on public.workspaces
for each row execute function public.watch_workspace();


-- Takes workspaces, whichever they are, that are due to be looked at, so that no other process does within the hour.
create function public.watch_claim(
  p_now timestamptz,
  p_limit integer
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_claimed jsonb;
begin
  with due as (
    select c.workspace_id
    from public.watches c
    where c.next_at <= p_now
    order by c.next_at
    limit p_limit
    for update skip locked
  ),
  claimed as (
    update public.watches c set next_at = p_now + interval '1 hour'
    from due
    where c.workspace_id = due.workspace_id
    returning c.workspace_id
  )
  select coalesce(jsonb_agg(jsonb_build_object('workspace_id', c.workspace_id, 'tz', coalesce(s.tz, 'UTC'))), '[]')
  into v_claimed
  from claimed c
  left join public.settings s on s.workspace_id = c.workspace_id;
  return v_claimed;
end
$$;
revoke all on function public.watch_claim from public, anon, authenticated;
grant execute on function public.watch_claim to service_role;


-- Writes alerts for what stood out (once per day and model), and the digests that are due (once per period): from seven
-- o'clock on in the workspace's time zone, of the day before or of the week before, for channels that want them.
create function public.watch_note(
  p_workspace_id uuid,
  p_tz text,
  p_anomalies text,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = ''
as $$
declare
  v_local timestamp := p_now at time zone p_tz;
  v_digest text;
  v_days integer;
  v_end date;
begin
  insert into public.alerts (workspace_id, id, kind, subject, period_start, details, created_at)
  select p_workspace_id, gen_random_uuid(), 'anomaly', (a ->> 'provider') || '/' || (a ->> 'model'),
    (a ->> 'date')::timestamp at time zone p_tz, a, p_now
  from jsonb_array_elements(p_anomalies::jsonb) as a
  order by a ->> 'date', a ->> 'provider', a ->> 'model'
  on conflict do nothing;

  for v_digest in
    select distinct c.digest
    from public.alert_channels c
    where c.workspace_id = p_workspace_id and c.digest is not null
  loop
    v_days := case v_digest when 'daily' then 1 else 7 end;
    v_end := case v_digest when 'daily' then v_local::date else date_trunc('week', v_local)::date end;
    continue when v_local < v_end + time '07:00';
    insert into public.alerts (workspace_id, id, kind, subject, period_start, details, created_at)
    select p_workspace_id, gen_random_uuid(), 'digest', v_digest, (v_end - v_days)::timestamp at time zone p_tz,
      jsonb_build_object(
        'start', v_end - v_days, 'end', v_end - 1, 'tz', p_tz,
        'cost', t.cost::text, 'previous_cost', t.previous_cost::text, 'calls', t.calls,
        'unpriced_calls', t.unpriced_calls, 'models', t.models),
      p_now
    from (
      select
        coalesce(sum(m.cost), 0) as cost,
        coalesce(sum(m.previous_cost), 0) as previous_cost,
        coalesce(sum(m.calls), 0) as calls,
        coalesce(sum(m.unpriced_calls), 0) as unpriced_calls,
        coalesce(
          jsonb_agg(jsonb_build_object('provider', m.provider, 'model', m.model, 'cost', m.cost::text)
                    order by m.place) filter (where m.place <= 3 and m.cost > 0),
          '[]') as models
      from (
        select s.provider, s.model,
          coalesce(sum(s.cost) filter (where s.bucket >= p.start), 0) as cost,
          coalesce(sum(s.cost) filter (where s.bucket < p.start), 0) as previous_cost,
          coalesce(sum(s.calls) filter (where s.bucket >= p.start), 0) as calls,
          coalesce(sum(s.unpriced_calls) filter (where s.bucket >= p.start), 0) as unpriced_calls,
          row_number() over (
            order by coalesce(sum(s.cost) filter (where s.bucket >= p.start), 0) desc, s.provider, s.model) as place
        from public.spend_hourly s
        cross join (
          select (v_end - v_days)::timestamp at time zone p_tz as start
        ) p
        where s.workspace_id = p_workspace_id
          and s.bucket >= (v_end - 2 * v_days)::timestamp at time zone p_tz
          and s.bucket < v_end::timestamp at time zone p_tz
        group by s.provider, s.model
      ) m
    ) t
    where not exists (
      select
      from public.alerts a
      where a.workspace_id = p_workspace_id and a.kind = 'digest' and a.subject = v_digest
        and a.period_start = (v_end - v_days)::timestamp at time zone p_tz
    )
    on conflict do nothing;
  end loop;
end
$$;
revoke all on function public.watch_note from public, anon, authenticated;
grant execute on function public.watch_note to service_role;


-- Queues a new alert for every channel of its workspace; a test goes to the one it names, a digest to those that want it.
create or replace function public.queue_deliveries() returns trigger
language plpgsql security invoker set search_path = ''
as $$
begin
  insert into public.deliveries (workspace_id, alert_id, channel_id, next_attempt_at)
  select new.workspace_id, new.id, c.id, new.created_at
  from public.alert_channels c
  where c.workspace_id = new.workspace_id and public.is_for(new, c)
  order by c.id;
  return null;
end
$$;


-- Whether an alert goes to a channel of its workspace.
create function public.is_for(
  p_alert public.alerts,
  p_channel public.alert_channels
) returns boolean
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  return case p_alert.kind
    when 'test' then p_channel.id = (p_alert.details ->> 'channel_id')::uuid
    when 'digest' then p_channel.digest is not distinct from p_alert.subject
    else true end;
end
$$;
revoke all on function public.is_for from public, anon, authenticated;
grant execute on function public.is_for to service_role;


-- Queues an alert anew for every channel there is now that it goes to. A receiver sees it as another delivery.
create or replace function public.alert_resend(
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
  where c.workspace_id = p_workspace_id and public.is_for(v_alert, c)
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


-- The channels without their secrets, by name.
create or replace function public.channel_list(
  p_workspace_id uuid
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(public.channel_json(c) order by c.name), '[]')
    from public.alert_channels c
    where c.workspace_id = p_workspace_id
  );
end
$$;


-- A channel as the API shows it.
create function public.channel_json(p_channel public.alert_channels) returns jsonb
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  return jsonb_build_object(
    'id', p_channel.id, 'kind', p_channel.kind, 'name', p_channel.name, 'target', p_channel.target,
    'digest', p_channel.digest, 'created_by', p_channel.created_by, 'created_at', p_channel.created_at);
end
$$;
revoke all on function public.channel_json from public, anon, authenticated;
grant execute on function public.channel_json to service_role;


-- Keeps a channel. Refused when there is one of that name, and beyond 50.
drop function public.channel_create;
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
language plpgsql security invoker set search_path = ''
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
    raise exception 'There is an alert channel of that name' using errcode = 'PT409';
  end if;
  -- The first digest does not wait for an hour.
  update public.watches c set next_at = '-infinity' where c.workspace_id = p_workspace_id;
  perform public.note(
    p_workspace_id, p_actor_id, 'channel.created', p_name,
    jsonb_build_object('id', p_channel_id, 'kind', p_kind, 'target', p_target, 'digest', p_digest), p_now);
end
$$;
revoke all on function public.channel_create from public, anon, authenticated;
grant execute on function public.channel_create to service_role;


-- Changes whether a channel gets digests.
create function public.channel_update(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_channel_id uuid,
  p_digest text,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_channel public.alert_channels;
begin
  update public.alert_channels c set digest = p_digest
  where c.workspace_id = p_workspace_id and c.id = p_channel_id
  returning * into v_channel;
  if not found then
    raise exception 'Alert channel not found' using errcode = 'PT404';
  end if;
  update public.watches c set next_at = '-infinity' where c.workspace_id = p_workspace_id;
  perform public.note(
    p_workspace_id, p_actor_id, 'channel.updated', v_channel.name,
    jsonb_build_object('id', p_channel_id, 'digest', p_digest), p_now);
  return public.channel_json(v_channel);
end
$$;
revoke all on function public.channel_update from public, anon, authenticated;
grant execute on function public.channel_update to service_role;


create or replace function public.schema_version() returns text
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return '20261121001260';
end
$$;
