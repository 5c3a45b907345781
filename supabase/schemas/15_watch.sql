-- The watch: an hourly check of each workspace, which creates alerts for days that cost far more than usual, and
-- digests.

-- When the next check of each workspace is due.
create table public.watches (
  workspace_id uuid primary key references public.workspaces on delete cascade,
  next_at timestamptz not null
);
-- Serves the claim, which works across workspaces.
create index watches_next_at_idx on public.watches (next_at);
alter table public.watches alter column workspace_id set statistics 0;
alter table public.watches enable row level security;


-- Claims workspaces whose check is due, among all of them, so that no other process checks them within the hour.
create function public.watch_claim(
  p_now timestamptz,
  p_limit integer
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
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


-- Creates alerts for anomalies (once per day and place) and the digests that are due (once per period): from seven
-- o'clock in the workspace's time zone, of the previous day or week, for channels that subscribe to them.
create function public.watch_note(
  p_workspace_id uuid,
  p_tz text,
  p_anomalies text,
  p_now timestamptz
) returns void
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
as $$
declare
  v_local timestamp := p_now at time zone p_tz;
  v_digest text;
  v_days integer;
  v_end date;
  v_alerts uuid[];
begin
  with alerts as (
    insert into public.alerts (workspace_id, id, kind, subject, period_start, details, created_at)
    select p_workspace_id, gen_random_uuid(), 'anomaly', a ->> 'about',
      (a ->> 'date')::timestamp at time zone p_tz, a, p_now
    from jsonb_array_elements(p_anomalies::jsonb) as a
    order by a ->> 'date', a ->> 'about'
    on conflict do nothing
    returning id
  )
  select array_agg(a.id) into v_alerts from alerts a;
  if v_alerts is not null then
    perform llmlab_private.queue_deliveries(p_workspace_id, v_alerts, p_now);
  end if;

  for v_digest in
    select distinct c.digest
    from public.alert_channels c
    where c.workspace_id = p_workspace_id and c.digest is not null
  loop
    v_days := case v_digest when 'daily' then 1 else 7 end;
    v_end := case v_digest when 'daily' then v_local::date else date_trunc('week', v_local)::date end;
    continue when v_local < v_end + time '07:00';
    with alerts as (
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
      on conflict do nothing
      returning id
    )
    select array_agg(a.id) into v_alerts from alerts a;
    if v_alerts is not null then
      perform llmlab_private.queue_deliveries(p_workspace_id, v_alerts, p_now);
    end if;
  end loop;
end
$$;
