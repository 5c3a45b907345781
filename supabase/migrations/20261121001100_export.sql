-- Everything a workspace holds, for its archive; of secrets only what the API shows too.

-- What is few: the workspace itself, its members, invitations, projects, keys, prices, budgets and alerts.
create function public.export_workspace(
  p_workspace_id uuid,
  p_now timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return jsonb_build_object(
    'workspace', (select jsonb_agg(to_jsonb(w)) from public.workspaces w where w.id = p_workspace_id),
    'members', public.member_list(p_workspace_id),
    'invitations', public.invitation_list(p_workspace_id, p_now),
    'projects', (
      select coalesce(jsonb_agg(to_jsonb(p) - 'workspace_id' order by p.name), '[]')
      from public.projects p
      where p.workspace_id = p_workspace_id),
    'api_keys', (
      select coalesce(jsonb_agg(to_jsonb(k) - 'workspace_id' - 'key_hash' order by k.created_at, k.id), '[]')
      from public.api_keys k
      where k.workspace_id = p_workspace_id),
    'provider_keys', public.provider_key_list(p_workspace_id),
    'prices', public.price_list(p_workspace_id, null),
    'budgets', (
      select coalesce(jsonb_agg(to_jsonb(b) - 'workspace_id' || jsonb_build_object('limit', b."limit"::text)
                      order by b.created_at, b.id), '[]')
      from public.budgets b
      where b.workspace_id = p_workspace_id),
    'budget_periods', (
      select coalesce(jsonb_agg(to_jsonb(p) - 'workspace_id' || jsonb_build_object('spend', p.spend::text)
                      order by p.budget_id, p.period_start), '[]')
      from public.budget_periods p
      where p.workspace_id = p_workspace_id),
    'alert_channels', public.channel_list(p_workspace_id),
    'alerts', (
      select coalesce(jsonb_agg(public.alert_json(a) order by a.created_at, a.id), '[]')
      from public.alerts a
      where a.workspace_id = p_workspace_id));
end
$$;
revoke all on function public.export_workspace from public, anon, authenticated;
grant execute on function public.export_workspace to service_role;


-- The totals by bucket of one UTC day: the first after p_after that has any. Null when there is none.
create function public.export_spend(
  p_workspace_id uuid,
  p_after timestamptz
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_day timestamptz;
begin
  select public.utc_day(min(s.bucket)) into v_day
  from public.spend_hourly s
  where s.workspace_id = p_workspace_id and s.bucket >= coalesce(p_after + interval '1 day', '-infinity');
  return (
    select jsonb_build_object('day', v_day, 'rows', jsonb_agg(
      to_jsonb(s) - 'workspace_id' || jsonb_build_object(
        'cost', s.cost::text, 'error_cost', s.error_cost::text, 'latency_ms_sum', s.latency_ms_sum::text)
      order by s.bucket, s.project, s.provider, s.model))
    from public.spend_hourly s
    where s.workspace_id = p_workspace_id and s.bucket >= v_day and s.bucket < v_day + interval '1 day'
    having v_day is not null
  );
end
$$;
revoke all on function public.export_spend from public, anon, authenticated;
grant execute on function public.export_spend to service_role;


-- The newest migration this schema has had. Every migration that follows replaces it.
create or replace function public.schema_version() returns text
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return '20261121001100';
end
$$;
