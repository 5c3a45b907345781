-- The ratings of one call.

-- The newest ratings from just before the given position, as one array; of one event, of one rating, or with a text in
-- the comment or the model's name, where these are not null.
drop function public.feedback_list;
create function public.feedback_list(
  p_workspace_id uuid,
  p_event_id uuid,
  p_search text,
  p_rating integer,
  p_before_at timestamptz,
  p_before_id uuid,
  p_limit integer
) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(
      public.feedback_json(page.feedback, p.name) order by page.created_at desc, page.id desc), '[]')
    from (
      select f as feedback, f.created_at, f.id, f.project
      from public.feedback f
      where f.workspace_id = p_workspace_id
        and f.created_at <= coalesce(p_before_at, 'infinity')
        and (p_before_id is null or (f.created_at, f.id) < (p_before_at, p_before_id))
        and (p_event_id is null or f.event_id = p_event_id)
        and (p_rating is null or f.rating = p_rating)
        and (p_search is null
             or strpos(lower(f.comment), lower(p_search)) > 0 or strpos(lower(f.model), lower(p_search)) > 0)
      order by f.created_at desc, f.id desc
      limit p_limit
    ) page
    left join public.projects p on p.workspace_id = p_workspace_id and p.key = page.project
  );
end
$$;
revoke all on function public.feedback_list from public, anon, authenticated;
grant execute on function public.feedback_list to service_role;


create or replace function public.schema_version() returns text
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return '20261121002600';
end
$$;
