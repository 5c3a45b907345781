-- Feedback: ratings of calls.

-- A rating holds what it needs of the call, which retention may delete.
create table public.feedback (
  workspace_id uuid not null references public.workspaces on delete cascade,
  id uuid not null,
  -- No foreign key: retention deletes events.
  event_id uuid not null,
  -- A user or an API key; user_id is null for a key. Deleting an account deletes its ratings.
  rated_by uuid not null,
  user_id uuid references public.users on delete cascade,
  rating smallint not null check (rating between 1 and 5),
  comment text,
  provider text not null,
  model text not null,
  project text not null,
  cost numeric,
  called_at timestamptz not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (workspace_id, id),
  -- One rating of a call per person or key.
  unique (workspace_id, event_id, rated_by)
);
-- Serves the newest-first list and its cursor.
create index feedback_created_at_idx on public.feedback (workspace_id, created_at desc, id desc);
-- Serves metrics_quality.
create index feedback_called_at_idx on public.feedback (workspace_id, called_at);
-- Serves the deletion of an account.
create index feedback_user_id_idx on public.feedback (user_id);
alter table public.feedback alter column workspace_id set statistics 0;
alter table public.feedback enable row level security;


-- Ratings as the API returns them, with the name of their project. Amounts are text.
create view llmlab_private.feedback_as_json with (security_invoker = true) as
select f.workspace_id, f.id,
  jsonb_build_object(
    'id', f.id, 'event_id', f.event_id, 'rated_by', f.rated_by, 'rating', f.rating, 'comment', f.comment,
    'provider', f.provider, 'model', f.model,
    'project', (select p.name from public.projects p where p.workspace_id = f.workspace_id and p.key = f.project),
    'cost', f.cost::text, 'called_at', f.called_at,
    'created_at', f.created_at, 'updated_at', f.updated_at) as feedback
from public.feedback f;


-- Rates a call; rating it again changes the earlier rating. Null when this workspace has no such call.
create function public.feedback_set(
  p_workspace_id uuid,
  p_actor_id uuid,
  p_feedback_id uuid,
  p_event_id uuid,
  p_rating integer,
  p_comment text,
  p_now timestamptz
) returns jsonb
language plpgsql security invoker set search_path = '' set statement_timeout = '10s'
as $$
declare
  v_id uuid;
begin
  insert into public.feedback as f
    (workspace_id, id, event_id, rated_by, user_id, rating, comment, provider, model, project, cost, called_at,
     created_at, updated_at)
  select p_workspace_id, p_feedback_id, e.id, p_actor_id, (select u.id from public.users u where u.id = p_actor_id),
    p_rating, p_comment, e.provider, e.model, e.project, e.cost, e."timestamp", p_now, p_now
  from public.events e
  where e.workspace_id = p_workspace_id and e.id = p_event_id
  on conflict (workspace_id, event_id, rated_by) do update set
    rating = excluded.rating, comment = excluded.comment, updated_at = excluded.updated_at
  returning f.id into v_id;
  return (
    select f.feedback from llmlab_private.feedback_as_json f where f.workspace_id = p_workspace_id and f.id = v_id
  );
end
$$;


-- The newest ratings before the given position, as one array; limited to one event, one rating, or a text in the
-- comment or the model's name where these are not null.
create function public.feedback_list(
  p_workspace_id uuid,
  p_event_id uuid,
  p_search text,
  p_rating integer,
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
      select j.feedback from llmlab_private.feedback_as_json j where j.workspace_id = p_workspace_id and j.id = page.id)
      order by page.created_at desc, page.id desc), '[]')
    from (
      select f.created_at, f.id
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
  );
end
$$;
