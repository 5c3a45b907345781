"""The clients' own virtual environments, made on first use in a cache folder.

A folder of a client has `requirements.txt` with the pinned packages that its program names, and `packages.txt` with
the versions of all others; or `package.json` and `package-lock.json` for Node.js.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llmlab-clients"
_STAMP = ".installed"


class Environment:
    """The environment of the client whose folder has this name."""

    def __init__(self, name: str) -> None:
        self.sources = HERE / name
        self.folder = _CACHE / name
        self.node = (self.sources / "package.json").exists()

    def command(self, arguments: list[str]) -> list[str]:
        """How its program is started with these arguments."""
        if self.node:
            # Node.js finds packages beside the program only.
            program = shutil.copy(self.sources / "run.mjs", self.folder / "run.mjs")
            return ["node", str(program), *arguments]
        return [str(self.folder / "bin" / "python"), str(self.sources / "run.py"), *arguments]

    def version(self, package: str) -> str:
        """The pinned version of a package. Raises KeyError if it is not pinned."""
        file, form = (
            ("package.json", r'"(\S+)": "(\d.*?)"') if self.node else ("requirements.txt", r"^([^\s=[]+)\S*==(\S+)$")
        )
        pinned: dict[str, str] = dict(re.findall(form, (self.sources / file).read_text(), re.MULTILINE))
        return pinned[package]

    def prepare(self) -> None:
        """Installs it if its files have changed. Raises CalledProcessError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # Several clients share one, and several runs a cache.
        with (self.folder.parent / f"{self.sources.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            wanted = self._wanted()
            stamp = self.folder / _STAMP
            if stamp.exists() and stamp.read_text() == wanted:
                return
            print(f"Installing {self.sources.name} into {self.folder} ...", file=sys.stderr, flush=True)
            shutil.rmtree(self.folder)
            self._install(constrained=True)
            stamp.write_text(wanted)

    def pin(self) -> None:
        """Installs it again with the newest versions that its pinned packages allow, and pins those."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._install(constrained=False)
        if self.node:
            shutil.copy(self.folder / "package-lock.json", self.sources)
        else:
            (self.sources / "packages.txt").write_text(self._pip("freeze"))
        (self.folder / _STAMP).write_text(self._wanted())

    def _wanted(self) -> str:
        names = ("package.json", "package-lock.json") if self.node else ("requirements.txt", "packages.txt")
        return "\n".join(path.read_text() for name in names if (path := self.sources / name).exists())

    def _install(self, *, constrained: bool) -> None:
        if self.node:
            self.folder.mkdir(parents=True)
            names = ("package.json", "package-lock.json") if constrained else ("package.json",)
            for name in names:
                shutil.copy(self.sources / name, self.folder)
            verb = "ci" if constrained else "install"
            self._run("npm", verb, "--no-audit", "--no-fund", "--loglevel=error", folder=self.folder)
            return
        self._run(sys.executable, "-m", "venv", "--without-pip", str(self.folder))
        if constrained:
            # All packages are named, so nothing is to be resolved.
            self._pip("install", "--no-deps", "-r", str(self.sources / "packages.txt"))
        else:
            self._pip("install", "-r", str(self.sources / "requirements.txt"))

    def _pip(self, *arguments: str) -> str:
        pip = (sys.executable, "-m", "pip", "--python", str(self.folder / "bin" / "python"))
        return self._run(*pip, "--quiet", "--disable-pip-version-check", *arguments).stdout

    def _run(self, *command: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(command, cwd=folder, text=True, capture_output=True)
        if done.returncode:
            print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
            done.check_returncode()
        return done
