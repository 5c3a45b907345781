"""A REST server as Supabase runs one, in front of a test's Postgres."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.support.ports import free_port
from tests.support.product import PATIENCE

FOLDER = Path(__file__).parent.parent / "supabase"
SECRET_KEY = "sb_secret_0123456789abcdef0123456789abcdef"
PUBLISHABLE_KEY = "sb_publishable_0123456789abcdef0123456789abcdef"


class SupabaseServer:
    """Serves one database; start it after migrating, because it reads the schema when it starts."""

    def __init__(self, folder: Path, database: str) -> None:
        self.database = database
        address = urlsplit(database)
        (self._socket_folder,) = parse_qs(address.query)["host"]
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        (folder / "supabase").mkdir(parents=True)
        (folder / "supabase" / "config.toml").write_text(
            f'[api]\nport = {port}\n[db]\ndriver = "postgres"\nurl = "postgres://{address.path}"\n'
            f'[auth]\nsecret_key = "{SECRET_KEY}"\npublishable_key = "{PUBLISHABLE_KEY}"\n'
        )
        self._folder = folder
        self.start()

    def start(self) -> None:
        """Starts the process; it may be restarted after it has ended."""
        node = shutil.which("node")
        assert node, "./run.sh test installs Node.js where there is none"
        self._log = (self._folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            [node, str(FOLDER / "node_modules/@supabase/lite/dist/cli/index.js"), "start", "--no-admin"],
            cwd=self._folder,
            env={**os.environ, "LITE_TELEMETRY": "0", "PGHOST": self._socket_folder, "PGUSERNAME": "postgres"},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                httpx.get(self.url, timeout=PATIENCE)
                return
            except httpx.TransportError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError((self._folder / "server.log").read_text())

    def stop(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        self._log.close()
