"""Proves that the rollups agree with the events, workspace by workspace, and makes them anew where they do not.

./run.sh rollups            compare
./run.sh rollups --rebuild  make anew what differs
"""

import asyncio
import sys
from datetime import UTC, datetime

from config import Settings
from database import Database, StartError

_ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)


async def check_rollups(settings: Settings, *, rebuild: bool) -> bool:
    """Compares every workspace's rollups with a recount; returns whether all agree in the end."""
    database = await Database.open(settings)
    try:
        workspaces = await database.workspace_ids()
        agree = True
        for number, workspace_id in enumerate(workspaces, 1):
            differences = await database.rollup_differences(workspace_id, _ALWAYS)
            if differences and rebuild:
                await database.rebuild_rollups(workspace_id, _ALWAYS)
                left = await database.rollup_differences(workspace_id, _ALWAYS)
                said = f"{differences} rows differed, made anew, {left} differ now"
                agree = agree and not left
            else:
                said = f"{differences} rows differ" if differences else "agrees with its events"
                agree = agree and not differences
            print(f"[{number}/{len(workspaces)}] workspace {workspace_id}: {said}", flush=True)
        return agree
    finally:
        await database.close()


def main() -> None:
    """Reads the arguments; exits with 1 when something differs."""
    if unknown := set(sys.argv[1:]) - {"--rebuild"}:
        sys.exit(f"Unknown argument {', '.join(sorted(unknown))}: ./run.sh rollups [--rebuild]")
    try:
        agree = asyncio.run(check_rollups(Settings(), rebuild="--rebuild" in sys.argv))
    except StartError as error:
        sys.exit(f"Cannot start: {error}")
    sys.exit(not agree)


if __name__ == "__main__":
    main()
