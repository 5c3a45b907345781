"""What an operator does now and then, workspace by workspace.

./run.sh rollups            proves that the rollups agree with the events
./run.sh rollups --rebuild  makes anew those that do not
./run.sh reencrypt          encrypts the provider keys and alert channels under the first key of ENCRYPTION_KEY
"""

import asyncio
import sys
from argparse import ArgumentParser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

from config import Settings
from database import Database
from engines.alerts import AlertEngine
from engines.changes import Changes
from engines.keys import KeyEngine
from utils.cipher import CannotDecrypt, Cipher
from utils.errors import StartError
from utils.outbound import Outbound

_ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)


async def check_rollups(settings: Settings, *, rebuild: bool) -> bool:
    """Compares every workspace's rollups with a recount; returns whether all agree in the end."""
    agree = True
    async with _opened(settings) as database:
        async for place, workspace_id in _workspaces(database):
            differences = await database.rollup_differences(workspace_id, _ALWAYS)
            if differences and rebuild:
                await database.rebuild_rollups(workspace_id, _ALWAYS)
                left = await database.rollup_differences(workspace_id, _ALWAYS)
                said = f"{differences} rows differed, made anew, {left} differ now"
                agree = agree and not left
            else:
                said = f"{differences} rows differ" if differences else "agrees with its events"
                agree = agree and not differences
            print(f"{place}: {said}", flush=True)
    return agree


async def reencrypt(settings: Settings) -> bool:
    """Encrypts anew every provider key and alert channel under an older key; returns whether all could be read."""
    readable = True
    async with _opened(settings) as database:
        cipher = Cipher(settings.encryption_keys())
        keys = KeyEngine(database, cipher, lambda: None)
        outbound = Outbound(allow_private=False)
        alerts = AlertEngine(database, cipher, outbound, settings.link, Changes())
        async for place, workspace_id in _workspaces(database):
            try:
                changed = await keys.reencrypt(workspace_id) + await alerts.reencrypt(workspace_id)
                print(f"{place}: {changed} encrypted anew", flush=True)
            except CannotDecrypt as error:
                readable = False
                print(f"{place}: {error}", flush=True)
        await outbound.close()
    return readable


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    database = await Database.open(settings)
    try:
        yield database
    finally:
        await database.close()


async def _workspaces(database: Database) -> AsyncIterator[tuple[str, UUID]]:
    """Every workspace, with how far along it is."""
    ids = await database.workspace_ids()
    for number, workspace_id in enumerate(ids, 1):
        yield f"[{number}/{len(ids)}] workspace {workspace_id}", workspace_id


def main() -> None:
    """Reads the arguments; exits with 1 when something is not as it should be."""
    parser = ArgumentParser(prog="./run.sh")
    tasks = parser.add_subparsers(dest="task", required=True)
    rollups = tasks.add_parser("rollups", help="prove that the rollups agree with the events")
    rollups.add_argument("--rebuild", action="store_true", help="make anew those that do not")
    tasks.add_parser(
        "reencrypt", help="encrypt the provider keys and alert channels under the first key of ENCRYPTION_KEY"
    )
    asked = parser.parse_args()
    settings = Settings()
    try:
        if asked.task == "rollups":
            done = asyncio.run(check_rollups(settings, rebuild=asked.rebuild))
        else:
            done = asyncio.run(reencrypt(settings))
    except StartError as error:
        sys.exit(f"Cannot start: {error}")
    sys.exit(not done)


if __name__ == "__main__":
    main()
