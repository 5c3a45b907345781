-- What those who run the server look at.

-- How many deliveries of alerts are waiting, in all workspaces.
create function public.outbox_pending() returns bigint
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (select count(*) from public.deliveries d where d.status = 'pending');
end
$$;
revoke all on function public.outbox_pending from public, anon, authenticated;
grant execute on function public.outbox_pending to service_role;


create or replace function public.schema_version() returns text
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return '20261121001600';
end
$$;
