-- Retention: events older than a workspace wants to keep are deleted; the totals stay.


-- The hour from which events are kept when they are kept for p_days.
create function llmlab_private.retention_limit(
  p_days integer,
  p_now timestamptz
) returns timestamptz
language sql immutable parallel safe
return date_bin('1 hour', p_now - p_days * interval '24 hours', timestamptz '2000-01-01 00:00:00+00');


-- The workspaces with events older than their retention. Every server deletes for all workspaces.
create function public.retention_due(
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '5s'
-- Events are read in the order of their index. When the planner expects few, it would read and sort all of them.
set enable_sort = off
as $$
begin
  return (
    select coalesce(jsonb_agg(s.workspace_id order by s.workspace_id), '[]')
    from public.settings s
    -- The limit makes this one index lookup per workspace, however many events there are.
    cross join lateral (
      select from public.events e
      where e.workspace_id = s.workspace_id and e."timestamp" < llmlab_private.retention_limit(s.retention_days, p_now)
      order by e."timestamp"
      limit 1
    ) expired
    where s.retention_days is not null
  );
end
$$;


-- Deletes up to p_limit expired events, oldest first, starting at p_after (null: the oldest). Answers with their number
-- and the time of the last one, from which the next call continues. When there is nothing to delete, it sets the limit
-- for later calls, which takes effect after five minutes. Does nothing while another server is deleting.
create function public.retention_sweep(
  p_workspace_id uuid,
  p_after timestamptz,
  p_limit integer,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '5s'
-- Events are read in the order of their index. When the planner expects few, it would read and sort all of them.
set enable_sort = off
as $$
declare
  v_limit timestamptz;
  v_since timestamptz;
  v_known boolean;
  v_deleted bigint := 0;
  v_reached timestamptz;
begin
  if pg_try_advisory_xact_lock(hashtextextended(p_workspace_id::text, 1)) then
    perform llmlab_private.lock_totals(p_workspace_id, false);
    select llmlab_private.retention_limit(s.retention_days, p_now), w.events_since,
      w.events_since_at <= p_now - interval '5 minutes'
    into v_limit, v_since, v_known
    from public.workspaces w
    join public.settings s on s.workspace_id = w.id
    where w.id = p_workspace_id and s.retention_days is not null
    -- Deleting the workspace waits: two transactions that delete the same events could deadlock.
    for key share of w;
    if v_known then
      with expired as (
        -- The physical location saves a second lookup by id.
        select e.ctid as place
        from public.events e
        where e.workspace_id = p_workspace_id and e."timestamp" >= coalesce(p_after, '-infinity')
          and e."timestamp" < least(v_since, v_limit)
        order by e."timestamp"
        limit p_limit
      ),
      deleted as (
        delete from public.events e
        where e.workspace_id = p_workspace_id and e.ctid = any (array(select x.place from expired x))
        returning e."timestamp"
      )
      select count(*), max(d."timestamp") into v_deleted, v_reached from deleted d;
    end if;
    if v_deleted = 0 and (v_since is null or v_known) then
      update public.workspaces w
      set events_since = v_limit, events_since_at = p_now, terms_version = w.terms_version + 1
      where w.id = p_workspace_id and v_limit > coalesce(v_since, '-infinity')
        and exists (
          select from public.events e where e.workspace_id = p_workspace_id and e."timestamp" < v_limit);
    end if;
  end if;
  return jsonb_build_object('deleted', v_deleted, 'reached', v_reached);
end
$$;
