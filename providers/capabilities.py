"""Abilities and retirements of models, each with its source, from `capabilities.json`.

A tier is the place that a vendor itself gives a model in its current line-up, from the most capable to the smallest:

- frontier: the model for the hardest work
- flagship: its general top model
- balanced: the everyday model between speed and ability
- small: for many quick calls
- tiny: the smallest it serves

That two vendors' models share a tier says that they are sold for the same work, not that they answer equally well.
A line is a succession of models of one vendor; the newest generation of it is the one to move to. Models that are not
in the file have no tier. Names are the price list's ids.
"""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from utils.patterns import Pattern

TIERS = ("tiny", "small", "balanced", "flagship", "frontier")


class Capability(NamedTuple):
    """The abilities of a model. `tier` counts from 0, the smallest; `context_window` is in tokens and may be unknown.

    `generation` orders the models of a `line`. Models of one `tokenizer` count the same text alike; None is unknown.
    """

    provider: str
    model: str
    tier: int
    line: str
    generation: tuple[int, ...]
    context_window: int | None
    modalities: frozenset[str]
    tokenizer: str | None
    source: str

    @property
    def tier_name(self) -> str:
        """The name of the tier."""
        return TIERS[self.tier]


class Retirement(NamedTuple):
    """The day from which a vendor no longer serves a model, and the replacement that it names, if any."""

    retires_on: date
    replacement: str | None
    source: str


class Caching(NamedTuple):
    """A vendor's caching rules: the shortest prefix, its lifetime, and whether caching is automatic."""

    minimum_tokens: int
    lifetime_minutes: int
    automatic: bool
    source: str


class BatchTier(NamedTuple):
    """A vendor's discount for calls that may wait, as a share of the price."""

    discount: Decimal
    source: str


_FILE = json.loads(Path(__file__).with_name("capabilities.json").read_text())

CAPABILITIES: dict[tuple[str, str], Capability] = {
    (entry["provider"], entry["model"]): Capability(
        entry["provider"],
        entry["model"],
        TIERS.index(entry["tier"]),
        entry["line"],
        tuple(int(part) for part in entry["generation"].split(".")),
        entry.get("context_window"),
        frozenset(entry["modalities"]),
        entry.get("tokenizer"),
        entry["source"],
    )
    for entry in _FILE["models"]
}
# By the model alone: a reseller's model has the abilities of the original.
_RESOLD = {capability.model: capability for capability in CAPABILITIES.values()}

RETIREMENTS: dict[tuple[str, str], Retirement] = {
    (entry["provider"], entry["model"]): Retirement(
        date.fromisoformat(entry["retires_on"]), entry["replacement"], entry["source"]
    )
    for entry in _FILE["retirements"]
}
BATCH: dict[str, BatchTier] = {
    entry["provider"]: BatchTier(Decimal(entry["discount"]), entry["source"]) for entry in _FILE["batch"]
}
CACHING: list[tuple[str, list[Pattern], Caching]] = [
    (
        entry["provider"],
        [Pattern(model) for model in entry["models"]],
        Caching(entry["minimum_tokens"], entry["lifetime_minutes"], entry["automatic"], entry["source"]),
    )
    for entry in _FILE["caching"]
]
_FACTORS = {(entry["from"], entry["to"]): Decimal(entry["factor"]) for entry in _FILE["tokenizers"]}
SOURCES: list[str] = [
    entry["source"] for part in ("models", "retirements", "caching", "batch", "tokenizers") for entry in _FILE[part]
]


def capability(provider: str, model: str) -> Capability | None:
    """The capability of a model, also of a resold one; None for one that is not in the file."""
    return CAPABILITIES.get((provider, model)) or _RESOLD.get(model)


def caching(provider: str, model: str) -> Caching | None:
    """The caching rules of a model; None when they are unknown."""
    return next(
        (rules for vendor, names, rules in CACHING if vendor == provider and any(name.fits(model) for name in names)),
        None,
    )


def token_factor(used: Capability, other: Capability) -> Decimal:
    """Tokens that the other model counts for each token of the used model; 1 when that is unknown."""
    if used.tokenizer is None or other.tokenizer is None:
        return Decimal(1)
    return _FACTORS.get((used.tokenizer, other.tokenizer), Decimal(1))


def successors(at: date) -> list[Capability]:
    """Of each line the newest generation that the vendor has not announced to retire by that day."""
    newest: dict[tuple[str, str], Capability] = {}
    for key, model in CAPABILITIES.items():
        retirement = RETIREMENTS.get(key)
        if retirement is not None and retirement.retires_on <= at:
            continue
        known = newest.get((model.provider, model.line))
        if known is None or model.generation > known.generation:
            newest[model.provider, model.line] = model
    return list(newest.values())
