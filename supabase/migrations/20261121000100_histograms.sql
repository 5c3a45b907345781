-- Adding a few calls to a histogram looks at those, not at all it has counted.
create or replace function public.add_counts(p_counts jsonb, p_more jsonb) returns jsonb
language plpgsql immutable parallel safe security invoker set search_path = ''
as $$
begin
  return p_counts || (
    select coalesce(jsonb_object_agg(m.key, m.value::bigint + coalesce((p_counts ->> m.key)::bigint, 0)), '{}')
    from jsonb_each_text(p_more) m
  );
end
$$;
