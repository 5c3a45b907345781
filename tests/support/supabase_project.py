"""A new Supabase project: its keys and roles, and a database whose owner is no superuser."""

import subprocess
from urllib.parse import urlsplit

import asyncpg
from jose import jwt

from roads.embedded import _BIN
from roads.migrations import migrate

SECRET_KEY = "sb_secret_0123456789abcdef0123456789abcdef"
PUBLISHABLE_KEY = "sb_publishable_0123456789abcdef0123456789abcdef"
JWT_SECRET = "a secret for the tokens of a project, of 32 characters or more"


def token(role: str) -> str:
    """A JWT of a role."""
    claims = {"iss": "supabase", "ref": "project", "role": role, "iat": 1_767_225_600, "exp": 2_082_758_400}
    return str(jwt.encode(claims, JWT_SECRET))


# The keys of a project that are JWTs, which Supabase calls legacy keys.
SERVICE_ROLE_KEY, ANON_KEY = token("service_role"), token("anon")
# The JWT of each key.
TOKENS = {
    SECRET_KEY: SERVICE_ROLE_KEY,
    PUBLISHABLE_KEY: ANON_KEY,
    SERVICE_ROLE_KEY: SERVICE_ROLE_KEY,
    ANON_KEY: ANON_KEY,
}

# Its role `postgres` is a superuser elsewhere, so it has another name here.
OWNER = "project_owner"
_LIMITS = {"authenticator": "8s", "authenticated": "8s", "anon": "3s"}
_ROLES = f"""
begin;
-- Roles belong to all databases of a server, and tests start in several processes.
select pg_advisory_xact_lock(8);
do $$
declare
  v_role text;
  v_options text;
begin
  for v_role, v_options in values
    ('anon', 'nologin noinherit'),
    ('authenticated', 'nologin noinherit'),
    ('service_role', 'nologin noinherit bypassrls'),
    ('authenticator', 'login noinherit'),
    ('{OWNER}', 'login nosuperuser createdb createrole replication bypassrls')
  loop
    if not exists (select from pg_roles where rolname = v_role) then
      execute format('create role %I %s', v_role, v_options);
    end if;
  end loop;
end
$$;
grant anon, authenticated, service_role to authenticator, {OWNER};
alter role authenticator set lock_timeout = '8s';
{"".join(f"alter role {role} set statement_timeout = '{limit}';" for role, limit in _LIMITS.items())}
commit;
"""
_SCHEMAS = """
create schema if not exists extensions;
create schema if not exists graphql_public;
grant usage on schema public, extensions, graphql_public to anon, authenticated, service_role;
"""
_PRIVILEGES = "".join(
    f"alter default privileges for role {OWNER} in schema public grant all on {kind}"
    " to anon, authenticated, service_role;"
    for kind in ("tables", "functions", "sequences")
)


def prepare(url: str) -> None:
    """Creates what PostgREST needs in a database: the roles of a project and its schemas."""
    _run(urlsplit(url)._replace(path="/postgres").geturl(), _ROLES)
    _run(url, _SCHEMAS)


async def create_project(server: str, name: str) -> None:
    """Creates the database of a project and pushes the schema of LLMLab to it, as its owner."""
    _run(server, _ROLES)
    _run(server, f"create database {name} owner {OWNER}")
    url = urlsplit(server)._replace(path=f"/{name}").geturl()
    _run(url, _SCHEMAS + _PRIVILEGES)
    connection = await asyncpg.connect(url, user=OWNER)
    await migrate(connection)
    await connection.close()


def _run(url: str, sql: str) -> None:
    """Runs SQL. Not through asyncpg, because the caller may be in an event loop."""
    command = [str(_BIN / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", url]
    done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
