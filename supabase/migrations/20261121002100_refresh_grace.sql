-- A browser that is reloaded before the answer arrives sends its old cookie again: for a moment it gets the same answer.

alter table public.sessions
  add column previous_refresh_id uuid,
  add column refreshed_at timestamptz;


-- Exchanges a session's refresh token for the next. The one before it gets the same next one again for p_grace_seconds;
-- any other ends the session. Answers with the account and the refresh_id that holds now.
drop function public.session_refresh;
create function public.session_refresh(
  p_session_id uuid,
  p_refresh_id uuid,
  p_new_refresh_id uuid,
  p_grace_seconds integer,
  p_now timestamptz,
  p_expires_at timestamptz
) returns jsonb
language plpgsql security invoker set search_path = ''
as $$
declare
  v_refresh_id uuid;
begin
  update public.sessions s
  set refresh_id = p_new_refresh_id, previous_refresh_id = s.refresh_id, refreshed_at = p_now, last_used_at = p_now,
    expires_at = p_expires_at
  where s.id = p_session_id and s.refresh_id = p_refresh_id and s.ended_at is null and s.expires_at > p_now
  returning s.refresh_id into v_refresh_id;
  if not found then
    select s.refresh_id into v_refresh_id
    from public.sessions s
    where s.id = p_session_id and s.previous_refresh_id = p_refresh_id and s.ended_at is null and s.expires_at > p_now
      and s.refreshed_at > p_now - make_interval(secs => p_grace_seconds);
  end if;
  if found then
    return public.account_of_session(p_session_id, null, p_now) || jsonb_build_object('refresh_id', v_refresh_id);
  end if;
  update public.sessions s set ended_at = p_now where s.id = p_session_id and s.ended_at is null;
  return null;
end
$$;
revoke all on function public.session_refresh from public, anon, authenticated;
grant execute on function public.session_refresh to service_role;


create or replace function public.schema_version() returns text
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return '20261121002100';
end
$$;
