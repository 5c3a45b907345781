"""Programs that use the SDK."""

import subprocess
import sys
import textwrap
from pathlib import Path

from tests.support.product import environment

SDK = Path(__file__).parent.parent


def run(code: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a program that uses the SDK, in a separate process: a text or a file. It must succeed."""
    done = started(code, **variables)
    done.check_returncode()
    return done


def started(code: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a program as `run` does, however it ends."""
    program = [str(code)] if isinstance(code, Path) else ["-c", textwrap.dedent(code)]
    return subprocess.run(
        [sys.executable, "-W", "error", *program],
        env=environment(PYTHONPATH=str(SDK), **variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
