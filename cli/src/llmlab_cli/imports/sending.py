"""Sends the events of a file, batch after batch, and notes after each how far it is."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from llmlab._http import retry_after
from llmlab_cli.api import Api, refusal
from llmlab_cli.errors import Failure, Unavailable
from llmlab_cli.imports.events import Event, Reader, digest_of
from llmlab_cli.imports.files import Broken, Format, Unreadable, opened, place_in, rows
from llmlab_cli.imports.presets import PRESETS
from llmlab_cli.imports.values import Wrong
from llmlab_cli.settings import write_private

BATCH_EVENTS = 1000
# A body may have 1 MiB.
BATCH_BYTES = 900_000
# How long LLMLab may be away before the import gives up; it goes on from there when it is run again.
PATIENCE_SECONDS = 60.0
_LONGEST_PAUSE = 15.0
_KEPT = 100


@dataclass
class Tally:
    """What has become of a file's rows. Recorded, duplicate and refused are events; one row may be many."""

    rows: int = 0
    resumed_after: int = 0
    recorded: int = 0
    duplicates: int = 0
    refused: int = 0
    skipped: int = 0
    refusals: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, row: int, why: str) -> None:
        """Counts a refusal; the first hundred are kept."""
        self.refused += 1
        if len(self.refusals) < _KEPT:
            self.refusals.append({"row": row, "detail": why})


@dataclass
class Checkpoint:
    """How far an import is: so many rows, and what stands for their content, in case the file has changed."""

    path: Path

    @classmethod
    def of(cls, folder: Path, *parts: object) -> "Checkpoint":
        """That of an import of these: file, server, key, and how rows are read."""
        name = hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()
        return cls(folder / f"{name[:32]}.json")

    def load(self) -> tuple[int, str]:
        """The rows that are done and their digest; 0 if there is none to go on from."""
        try:
            found = json.loads(self.path.read_bytes())
            return int(found["rows"]), str(found["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, ""

    def save(self, done: int, digest: str) -> None:
        """Notes how far the import is."""
        write_private(self.path, {"rows": done, "digest": digest})

    def clear(self) -> None:
        """The import is done."""
        self.path.unlink(missing_ok=True)


class Changed(Exception):
    """The rows that were done are not those in the file any more."""


@dataclass(frozen=True)
class Source:
    """A file, and how its rows are read."""

    path: Path
    form: Format
    reader: Reader

    def rows(self, tally: Tally, moved: Callable[[int], None]) -> Iterator[tuple[dict[str, Any], str, int]]:
        """Each row with its digest and how many equal rows came before it. `moved` hears the place in the file.

        Equal rows are counted on disk, so that memory does not grow with the file. Raises Failure.
        """
        lists = PRESETS[self.reader.preset].lists
        # Without a name it is a file of its own that goes when it is closed.
        with closing(sqlite3.connect("", isolation_level=None)) as seen, opened(self.path) as text:
            seen.execute("create table seen (digest blob primary key, times integer not null) without rowid")
            seen.execute("begin")
            try:
                for row in rows(text, self.form, lists):
                    tally.rows += 1
                    digest = digest_of(row)
                    key = (bytes.fromhex(digest),)
                    seen.execute(
                        "insert into seen values (?, 0) on conflict (digest) do update set times = times + 1", key
                    )
                    times: int = seen.execute("select times from seen where digest = ?", key).fetchone()[0]
                    moved(place_in(text))
                    yield row, digest, times
            except Unreadable as error:
                raise Failure(f"{self.path}: {error}") from None

    def events(
        self, tally: Tally, moved: Callable[[int], None], done: int = 0, known: str = ""
    ) -> Iterator[tuple[int, str, Event | None]]:
        """The events of the rows after the first `done`, with the number of their row and the digest of all before it.

        At the end of each row comes None, with the digest that includes it. Raises Changed and Failure.
        """
        state = hashlib.sha256()
        for row, digest, again in self.rows(tally, moved):
            state.update(digest.encode())
            number = tally.rows
            if number <= done:
                if number == done and state.hexdigest() != known:
                    raise Changed
                continue
            made = False
            try:
                if isinstance(row, Broken):
                    raise Wrong(row.why)
                for event in self.reader.events(row, digest, again):
                    made = True
                    yield number, "", event
                tally.skipped += not made
            except Wrong as wrong:
                tally.refuse(number, str(wrong))
            yield number, state.hexdigest(), None
        if tally.rows < done:
            raise Changed


class Sender:
    """Sends the events of a source. `said` hears a sentence when there is something to wait for."""

    def __init__(self, api: Api, checkpoint: Checkpoint, said: Callable[[str], None]) -> None:
        self._api = api
        self._checkpoint = checkpoint
        self._said = said

    def send(self, source: Source, moved: Callable[[int], None]) -> Tally:
        """Sends what has not been sent; the tally is of this run. Raises Failure; run it again to go on."""
        done, known = self._checkpoint.load()
        try:
            return self._from(source, moved, done, known)
        except Changed:
            self._said("The file has changed since the import was stopped; it begins anew.")
            return self._from(source, moved, 0, "")

    def _from(self, source: Source, moved: Callable[[int], None], done: int, known: str) -> Tally:
        tally = Tally(resumed_after=done)
        batch: list[tuple[int, bytes]] = []
        size = 0
        whole: tuple[int, str] | None = None
        for number, digest, event in source.events(tally, moved, done, known):
            if event is None:
                whole = number, digest
                continue
            line = json.dumps(event, separators=(",", ":")).encode()
            if batch and (len(batch) == BATCH_EVENTS or size + len(line) > BATCH_BYTES):
                self._send(batch, tally)
                if whole is not None:
                    self._checkpoint.save(*whole)
                batch, size = [], 0
            batch.append((number, line))
            size += len(line) + 1
        if batch:
            self._send(batch, tally)
        self._checkpoint.clear()
        return tally

    def _send(self, batch: list[tuple[int, bytes]], tally: Tally) -> None:
        body = b'{"events":[' + b",".join(line for _, line in batch) + b"]}"
        answer = self._answer(body)
        tally.recorded += answer["recorded"]
        tally.duplicates += answer["duplicates"]
        for rejection in answer["rejected"]:
            tally.refuse(batch[rejection["index"]][0], rejection["detail"])

    def _answer(self, body: bytes) -> Any:
        """What LLMLab answers to a batch. It is asked again while it is busy or away: the ids make that harmless."""
        headers = {"Content-Type": "application/json"}
        waited = pause = 0.0
        while True:
            try:
                response = self._api.client.post("/api/events/batch", content=body, headers=headers)
            except httpx.HTTPError as error:
                failure: Failure = self._api.unreachable(error)
            else:
                if response.is_success:
                    return response.json()
                failure = refusal(response)
                if response.status_code == 429:
                    # It says when to come back, so that is not held against it.
                    asked = retry_after(response) or 1.0
                    self._said(f"LLMLab takes no more requests for {asked:.0f} s; waiting.")
                    time.sleep(asked)
                    continue
                pause = max(pause, retry_after(response))
            if not isinstance(failure, Unavailable) or waited >= PATIENCE_SECONDS:
                raise failure
            pause = min(max(2 * pause, 0.5), _LONGEST_PAUSE)
            self._said(f"{failure.format_message()} Trying again in {pause:.0f} s.")
            time.sleep(pause)
            waited += pause
