-- What anomalies are found in.

-- What every project and model was used for and cost in [p_start, p_end): of the p_limit series that cost most, and of
-- all others in one without names; and the workspace's own prices. Each column of a series is a text of numbers with
-- commas between them, which is read faster than anything else. `minutes` are those from p_start to the start of a bucket
-- or, before p_hours_from, of a day of the time zone p_tz. Cost is that of the priced calls.
create function public.spend_series(
  p_workspace_id uuid,
  p_start timestamptz,
  p_hours_from timestamptz,
  p_end timestamptz,
  p_tz text,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    -- By the days that touch the range: what costs most need not be known to the minute.
    with places as (
      select d.project, d.provider, d.model,
        row_number() over (order by sum(d.cost) desc, sum(d.calls) desc, d.project, d.provider, d.model) as place
      from public.spend_daily d
      where d.workspace_id = p_workspace_id and d.day >= public.utc_day(p_start) and d.day < p_end
      group by d.project, d.provider, d.model
    ),
    cells as (
      select s.bucket as at, s.project, s.provider, s.model, s.calls, s.errors, s.unpriced_calls, s.input_tokens,
        s.cache_read_tokens, s.cache_write_5m_tokens, s.cache_write_1h_tokens, s.output_tokens, s.cost
      from public.spend_hourly s
      where s.workspace_id = p_workspace_id and s.bucket >= p_hours_from and s.bucket < p_end
      union all
      select (s.bucket at time zone p_tz)::date::timestamp at time zone p_tz, s.project, s.provider, s.model,
        sum(s.calls), sum(s.errors), sum(s.unpriced_calls), sum(s.input_tokens), sum(s.cache_read_tokens),
        sum(s.cache_write_5m_tokens), sum(s.cache_write_1h_tokens), sum(s.output_tokens), sum(s.cost)
      from public.spend_hourly s
      where s.workspace_id = p_workspace_id and s.bucket >= p_start and s.bucket < p_hours_from
      group by 1, 2, 3, 4
    ),
    series as (
      select least(p.place, p_limit + 1) as place,
        string_agg((extract(epoch from c.at - p_start)::integer / 60)::text, ',' order by c.at) as minutes,
        string_agg(c.calls::text, ',' order by c.at) as calls,
        string_agg(c.errors::text, ',' order by c.at) as errors,
        string_agg(c.unpriced_calls::text, ',' order by c.at) as unpriced_calls,
        string_agg(c.input_tokens::text, ',' order by c.at) as input_tokens,
        string_agg(c.cache_read_tokens::text, ',' order by c.at) as cache_read_tokens,
        string_agg(c.cache_write_5m_tokens::text, ',' order by c.at) as cache_write_5m_tokens,
        string_agg(c.cache_write_1h_tokens::text, ',' order by c.at) as cache_write_1h_tokens,
        string_agg(c.output_tokens::text, ',' order by c.at) as output_tokens,
        string_agg(c.cost::text, ',' order by c.at) as costs
      from cells c
      join places p on p.project = c.project and p.provider = c.provider and p.model = c.model
      group by 1
    )
    select jsonb_build_object('series', coalesce(jsonb_agg(jsonb_build_object(
      'project', j.name, 'provider', p.provider, 'model', p.model, 'minutes', s.minutes,
      'calls', s.calls, 'errors', s.errors, 'unpriced_calls', s.unpriced_calls,
      'input_tokens', s.input_tokens, 'cache_read_tokens', s.cache_read_tokens,
      'cache_write_5m_tokens', s.cache_write_5m_tokens, 'cache_write_1h_tokens', s.cache_write_1h_tokens,
      'output_tokens', s.output_tokens, 'costs', s.costs) order by s.place), '[]'),
      'prices', public.price_list(p_workspace_id, null))
    from series s
    left join places p on p.place = s.place and p.place <= p_limit
    left join public.projects j on j.workspace_id = p_workspace_id and j.key = p.project
  );
end
$$;
revoke all on function public.spend_series from public, anon, authenticated;
grant execute on function public.spend_series to service_role;

drop function public.model_daily_costs;


-- Writes alerts for what stood out (once per day and place), and the digests that are due (once per period): from seven
-- o'clock on in the workspace's time zone, of the day before or of the week before, for channels that want them.
create or replace function public.watch_note(
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
  select p_workspace_id, gen_random_uuid(), 'anomaly', a ->> 'about',
    (a ->> 'date')::timestamp at time zone p_tz, a, p_now
  from jsonb_array_elements(p_anomalies::jsonb) as a
  order by a ->> 'date', a ->> 'about'
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


create or replace function public.schema_version() returns text
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return '20261121001700';
end
$$;
