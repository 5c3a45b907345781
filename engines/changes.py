"""What has changed in the workspaces and is not announced yet."""

import asyncio
from uuid import UUID

from schemas.live import ChangeKind


class Changes:
    """Collects the changes that this process commits; the live engine announces them to every process."""

    def __init__(self) -> None:
        self._noted: set[tuple[UUID, ChangeKind]] = set()
        self._some = asyncio.Event()

    def note(self, workspace_id: UUID, kind: ChangeKind) -> None:
        """Notes that something of a kind has changed in a workspace and is committed."""
        self._noted.add((workspace_id, kind))
        self.wake()

    def wake(self) -> None:
        """Ends the wait for changes, also without any."""
        self._some.set()

    async def wait(self) -> None:
        """Returns when there are changes to take, or after `wake`."""
        await self._some.wait()
        self._some.clear()

    def take(self) -> set[tuple[UUID, ChangeKind]]:
        """The changes since the last take."""
        noted, self._noted = self._noted, set()
        return noted

    def put_back(self, changes: set[tuple[UUID, ChangeKind]]) -> None:
        """Keeps changes that could not be announced."""
        self._noted |= changes
        self.wake()
