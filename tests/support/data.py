"""The data of the tests, in `tests/data`."""

import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "data"


def cases(file: str) -> dict[str, Any]:
    """The cases of a JSON file by their names."""
    found: dict[str, Any] = json.loads((DATA / file).read_text())
    return found
