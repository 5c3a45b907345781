-- Time limits: how long each function may take, as it states in statement_timeout.


-- The limits of all functions in seconds, by name. PostgREST applies them by itself; a caller who has begun a statement
-- has to apply them.
create function public.time_limits() returns jsonb
language plpgsql stable security invoker set search_path = '' set statement_timeout = '5s'
as $$
begin
  return (
    select jsonb_object_agg(p.proname, extract(epoch from split_part(s.setting, '=', 2)::interval))
    from pg_catalog.pg_proc p
    cross join unnest(p.proconfig) as s (setting)
    where p.pronamespace = 'public'::regnamespace and s.setting like 'statement_timeout=%'
  );
end
$$;
