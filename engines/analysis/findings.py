"""How a finding of avoidable cost is put together."""

from collections.abc import Callable, Hashable, Iterable
from decimal import Decimal
from typing import NamedTuple, TypeVar

from engines.analysis.workloads import Workload
from schemas.recommendations import Optimization
from schemas.usage_history import UsedProject

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class Subject(NamedTuple):
    """The calls that a finding is about."""

    provider: str
    model: str
    project: str | None = None

    @classmethod
    def of(cls, used: Workload | UsedProject) -> "Subject":
        """A model's calls, or those of a model in a project."""
        project = used.name or used.project or None if isinstance(used, UsedProject) else None
        return cls(used.provider, used.model, project)


def finding(
    type: str,
    subject: Subject,
    description: str,
    *,
    cost: Decimal,
    saving: Decimal | None,
    confidence: str,
    **evidence: Decimal | int,
) -> Optimization:
    """A finding. `cost` is USD over the window, `saving` USD a month; `evidence` holds the numbers it rests on."""
    return Optimization(
        type=type,
        **subject._asdict(),
        description=description,
        cost=cost,
        estimated_monthly_savings=saving,
        evidence={name: Decimal(value) for name, value in evidence.items()},
        confidence=confidence,
    )


def grouped(calls: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """The calls by key."""
    groups: dict[K, list[T]] = {}
    for call in calls:
        groups.setdefault(key(call), []).append(call)
    return groups
