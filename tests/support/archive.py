"""The archive of a workspace."""

import io
import json
import zipfile
from decimal import Decimal
from typing import Any

from tests.support.team import Member


async def archive(admin: Member) -> dict[str, list[Any]]:
    """The rows of the archive's files."""
    response = await admin.request("GET", "/api/workspaces/export")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as opened:
        assert opened.testzip() is None
        return {
            name.removesuffix(".jsonl"): [
                json.loads(line, parse_float=Decimal) for line in opened.read(name).decode().splitlines()
            ]
            for name in opened.namelist()
        }
