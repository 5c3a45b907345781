"""OpenLLMetry with a version of Anthropic's package that has no spans of its own: the program of `traceloop`."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).parent.parent / "traceloop" / "run.py"))
