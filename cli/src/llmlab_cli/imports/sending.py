"""Sends the events of a file in batches and saves a checkpoint after each batch."""

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
from llmlab_cli.imports.values import InvalidValue
from llmlab_cli.settings import write_private

BATCH_EVENTS = 1000
# The server accepts bodies of up to 1 MiB.
BATCH_BYTES = 900_000
# Total time to retry while LLMLab is unreachable, before the import stops. The next run resumes it.
PATIENCE_SECONDS = 60.0
_MAX_BACKOFF = 15.0
_KEPT_REFUSALS = 100


@dataclass
class Tally:
    """The result of an import. `recorded` and `duplicates` count events, and a row may become many events."""

    rows: int = 0
    resumed_after: int = 0
    recorded: int = 0
    duplicates: int = 0
    refused: int = 0
    skipped: int = 0
    refusals: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, row: int, reason: str) -> None:
        """Counts a refusal and keeps the first 100 with their reasons."""
        self.refused += 1
        if len(self.refusals) < _KEPT_REFUSALS:
            self.refusals.append({"row": row, "detail": reason})


@dataclass
class Checkpoint:
    """The progress of an import: the number of rows sent and their digest, to notice a changed file."""

    path: Path

    @classmethod
    def of(cls, folder: Path, *parts: object) -> "Checkpoint":
        """The checkpoint for an import with this file, server, key, format and reader."""
        name = hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()
        return cls(folder / f"{name[:32]}.json")

    def load(self) -> tuple[int, str]:
        """The number of rows sent and their digest; 0 if there is no checkpoint."""
        try:
            found = json.loads(self.path.read_bytes())
            return int(found["rows"]), str(found["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, ""

    def save(self, done: int, digest: str) -> None:
        """Saves the progress."""
        write_private(self.path, {"rows": done, "digest": digest})

    def clear(self) -> None:
        """Deletes the checkpoint of a finished import."""
        self.path.unlink(missing_ok=True)


class Changed(Exception):
    """The rows already sent differ from those in the file."""


@dataclass(frozen=True)
class Source:
    """A file with its format and the reader for its rows."""

    path: Path
    form: Format
    reader: Reader

    def rows(self, tally: Tally, on_row: Callable[[int], None]) -> Iterator[tuple[dict[str, Any], str, int]]:
        """Each row with its digest and the number of equal rows before it. Calls `on_row` with the offset in bytes.

        Counts equal rows on disk, so that memory does not grow with the file. Raises Failure.
        """
        lists = PRESETS[self.reader.preset].lists
        # An empty name makes a temporary database on disk, deleted when it is closed.
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
                    on_row(place_in(text))
                    yield row, digest, times
            except Unreadable as error:
                raise Failure(f"{self.path}: {error}") from None

    def events(
        self, tally: Tally, on_row: Callable[[int], None], done: int = 0, known: str = ""
    ) -> Iterator[tuple[int, str, Event | None]]:
        """The events of the rows after the first `done`, each as row number, empty string and event.

        After the events of a row, yields its number, the digest of all rows so far, and None. Raises Changed if the
        digest of the first `done` rows is not `known`, and Failure.
        """
        state = hashlib.sha256()
        for row, digest, repeat in self.rows(tally, on_row):
            state.update(digest.encode())
            number = tally.rows
            if number <= done:
                if number == done and state.hexdigest() != known:
                    raise Changed
                continue
            has_events = False
            try:
                if isinstance(row, Broken):
                    raise InvalidValue(row.reason)
                for event in self.reader.events(row, digest, repeat):
                    has_events = True
                    yield number, "", event
                tally.skipped += not has_events
            except InvalidValue as error:
                tally.refuse(number, str(error))
            yield number, state.hexdigest(), None
        if tally.rows < done:
            raise Changed


class Sender:
    """Sends the events of a source. Calls `notify` with a sentence before it waits or starts over."""

    def __init__(self, api: Api, checkpoint: Checkpoint, notify: Callable[[str], None]) -> None:
        self._api = api
        self._checkpoint = checkpoint
        self._notify = notify

    def send(self, source: Source, on_row: Callable[[int], None]) -> Tally:
        """Sends the rows after the checkpoint. Returns the tally of this run. Raises Failure; a new run resumes."""
        done, known = self._checkpoint.load()
        try:
            return self._from(source, on_row, done, known)
        except Changed:
            self._notify("The file has changed since the import was stopped. Starting over.")
            return self._from(source, on_row, 0, "")

    def _from(self, source: Source, on_row: Callable[[int], None], done: int, known: str) -> Tally:
        tally = Tally(resumed_after=done)
        batch: list[tuple[int, bytes]] = []
        size = 0
        complete: tuple[int, str] | None = None
        for number, digest, event in source.events(tally, on_row, done, known):
            if event is None:
                complete = number, digest
                continue
            line = json.dumps(event, separators=(",", ":")).encode()
            if batch and (len(batch) == BATCH_EVENTS or size + len(line) > BATCH_BYTES):
                self._send(batch, tally)
                if complete is not None:
                    self._checkpoint.save(*complete)
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
        """Posts a batch and returns the answer. Retries while LLMLab is busy or unreachable; ids prevent duplicates."""
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
                    # A rate limit says when to retry, so it does not count as waiting for an unreachable server.
                    delay = retry_after(response) or 1.0
                    self._notify(f"Rate limit reached. Retrying in {delay:.0f} s.")
                    time.sleep(delay)
                    continue
                pause = max(pause, retry_after(response))
            if not isinstance(failure, Unavailable) or waited >= PATIENCE_SECONDS:
                raise failure
            pause = min(max(2 * pause, 0.5), _MAX_BACKOFF)
            self._notify(f"{failure.format_message()} Retrying in {pause:.0f} s.")
            time.sleep(pause)
            waited += pause
