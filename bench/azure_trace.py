"""Sends a request trace of the Azure Public Dataset to a running server, as calls to gpt-4o.

    python -m bench.azure_trace FILE --url http://127.0.0.1:8000 --token ACCESS_TOKEN

FILE is a CSV of TIMESTAMP (UTC, 100 ns), ContextTokens, GeneratedTokens, as in AzureLLMInferenceDataset2023. Each row
has a fixed id, so sending the file again has no effect.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

BATCH = 1000


def events(path: Path) -> Iterator[dict[str, Any]]:
    """One event per row of the trace."""
    with path.open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            yield {
                "id": f"{path.stem}:{number}",
                "provider": "openai",
                "model": "gpt-4o",
                "input_tokens": int(row["ContextTokens"]),
                "output_tokens": int(row["GeneratedTokens"]),
                # Postgres stores microseconds.
                "timestamp": row["TIMESTAMP"].replace(" ", "T")[:26] + "Z",
            }


def send(path: Path, url: str, token: str) -> tuple[int, int]:
    """Sends the whole trace; returns the numbers of recorded events and of duplicates."""
    recorded = duplicates = 0
    rows = events(path)
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        while batch := list(islice(rows, BATCH)):
            response = client.post("/api/events/batch", json={"events": batch})
            response.raise_for_status()
            result = response.json()
            if result["rejected"]:
                raise SystemExit(f"Refused: {result['rejected'][0]['detail']}")
            recorded += result["recorded"]
            duplicates += result["duplicates"]
            print(f"\r{recorded + duplicates} sent", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return recorded, duplicates


def main() -> None:
    """Parses the arguments and sends the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--token", required=True, help="access_token of a sign-up or login")
    arguments = parser.parse_args()
    recorded, duplicates = send(arguments.file, arguments.url, arguments.token)
    print(f"{recorded} recorded, {duplicates} duplicates")


if __name__ == "__main__":
    main()
