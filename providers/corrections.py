"""Prices that the price list lacks, each with its source, from `corrections.json`."""

import json
from decimal import Decimal
from pathlib import Path

from schemas.usage import Rates

_FILE = json.loads(Path(__file__).with_name("corrections.json").read_text())
SOURCE = f"corrections@{_FILE['version']}"
_MILLION = Decimal(1_000_000)


def _rates(entry: dict[str, str]) -> Rates:
    input_rate, output_rate = Decimal(entry["input_mtok"]) / _MILLION, Decimal(entry["output_mtok"]) / _MILLION
    return Rates(
        input=input_rate,
        cache_read=input_rate,
        cache_write_5m=input_rate,
        cache_write_1h=input_rate,
        output=output_rate,
        reasoning=output_rate,
        request=Decimal(0),
    )


# (provider, model) -> rates; names are matched exactly, in lower case.
CORRECTIONS: dict[tuple[str, str], Rates] = {
    (entry["provider"], name): _rates(entry) for entry in _FILE["prices"] for name in entry["models"]
}
