"""Maintenance commands for operators, which process one workspace after the other.

./run.sh rollups            checks the rollups against the events
./run.sh rollups --rebuild  rebuilds those that differ
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
from engines.encryption import EncryptionEngine
from utils.cipher import CannotDecrypt, Cipher
from utils.errors import StartError

_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


async def check_rollups(settings: Settings, *, rebuild: bool) -> bool:
    """Checks the rollups of all workspaces against the events; returns whether all agree at the end."""
    agree = True
    async with _opened(settings) as database:
        async for progress, workspace_id in _workspaces(database):
            differences = await database.rollup_differences(workspace_id, _BEGINNING)
            if differences and rebuild:
                await database.rebuild_rollups(workspace_id, _BEGINNING)
                left = await database.rollup_differences(workspace_id, _BEGINNING)
                result = f"{differences} rows differed; rebuilt, {left} differ now"
                agree = agree and not left
            else:
                result = f"{differences} rows differ" if differences else "agrees with the events"
                agree = agree and not differences
            print(f"{progress}: {result}", flush=True)
    return agree


async def reencrypt(settings: Settings) -> bool:
    """Encrypts provider keys and alert channels under the newest key; returns whether all could be decrypted."""
    readable = True
    async with _opened(settings) as database:
        encryption = EncryptionEngine(database, Cipher(settings.encryption_keys()))
        async for progress, workspace_id in _workspaces(database):
            try:
                changed = await encryption.reencrypt(workspace_id)
                print(f"{progress}: {changed} re-encrypted", flush=True)
            except CannotDecrypt as error:
                readable = False
                print(f"{progress}: {error}", flush=True)
    return readable


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    database = await Database.open(settings)
    try:
        yield database
    finally:
        await database.close()


async def _workspaces(database: Database) -> AsyncIterator[tuple[str, UUID]]:
    """All workspaces, each with a text that shows the progress."""
    ids = await database.workspace_ids()
    for number, workspace_id in enumerate(ids, 1):
        yield f"[{number}/{len(ids)}] workspace {workspace_id}", workspace_id


def main() -> None:
    """Runs a command; exits with 1 if rollups differ or something cannot be decrypted."""
    parser = ArgumentParser(prog="./run.sh")
    tasks = parser.add_subparsers(dest="task", required=True)
    rollups = tasks.add_parser("rollups", help="check the rollups against the events")
    rollups.add_argument("--rebuild", action="store_true", help="rebuild those that differ")
    tasks.add_parser(
        "reencrypt", help="encrypt the provider keys and alert channels under the first key of ENCRYPTION_KEY"
    )
    arguments = parser.parse_args()
    settings = Settings()
    try:
        if arguments.task == "rollups":
            done = asyncio.run(check_rollups(settings, rebuild=arguments.rebuild))
        else:
            done = asyncio.run(reencrypt(settings))
    except StartError as error:
        sys.exit(f"Cannot start: {error}")
    sys.exit(not done)


if __name__ == "__main__":
    main()
