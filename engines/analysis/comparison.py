"""The difference in spend between two periods and its causes, by project and by model."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Context, Decimal, localcontext

from engines.analysis.comparison_summary import summary
from engines.analysis.effects import Cell, Key, cell_of, effects_on
from providers import CustomPrices, PriceBook
from schemas.comparison import (
    ComparedCosts,
    ComparedPeriod,
    CostComparison,
    CostEffects,
    Explanation,
    ModelDifference,
    ModelStatus,
    PeriodRest,
    PeriodUsage,
    ProjectDifference,
    UnpricedModel,
)

_ZERO = Decimal(0)
# Wide enough that its own rounding changes neither sums nor the rounding below.
_WIDE = Context(prec=60)
_MOMENT = timedelta(microseconds=1)


def explain(
    before: Iterable[Cell], after: Iterable[Cell], rest: tuple[Decimal, Decimal] = (_ZERO, _ZERO)
) -> Explanation:
    """The difference in cost between two periods and its causes, by project and by model; largest changes first.

    A period has at most one cell of a project, provider and model, and the order of its cells does not matter. `rest`
    is the cost of each period beyond its cells; its difference is one effect and not split.
    """
    with localcontext(_WIDE):
        old, new = {cell.key: cell for cell in before}, {cell.key: cell for cell in after}
        volumes = _volumes(old.values()), _volumes(new.values())
        keys = sorted({*old, *new}, key=lambda key: (key[0] is not None, str(key[0]), key[1:]))
        models = [_change(old.get(key, _nothing(key)), new.get(key, _nothing(key)), volumes) for key in keys]
        models.sort(key=lambda change: -abs(change.difference))
        projects = _projects(models)
        before_cost = sum((model.before_cost for model in models), rest[0])
        after_cost = sum((model.after_cost for model in models), rest[1])
        unpriced = _unpriced(models)
        return Explanation(
            summary=summary(before_cost, after_cost, projects, models, unpriced),
            before_cost=before_cost,
            after_cost=after_cost,
            difference=after_cost - before_cost,
            effects=_sum([project.effects for project in projects], others=rest[1] - rest[0]),
            projects=projects,
            models=models,
            unpriced=unpriced,
        )


def compare(
    costs: ComparedCosts,
    prices: PriceBook,
    before: tuple[datetime, datetime],
    after: tuple[datetime, datetime],
    limit: int,
) -> CostComparison:
    """The comparison of two periods, each at the rates of its last moment, with the `limit` largest changes."""
    own = CustomPrices(costs.prices)
    explanation = explain(
        [cell_of(used, prices, before[1] - _MOMENT, own) for used in costs.before],
        [cell_of(used, prices, after[1] - _MOMENT, own) for used in costs.after],
        (costs.before_rest.cost, costs.after_rest.cost),
    )
    found = {
        **explanation.__dict__,
        "projects": explanation.projects[:limit],
        "models": explanation.models[:limit],
        "unpriced": explanation.unpriced[:limit],
    }
    return CostComparison(
        **found,
        before=_period(before, costs.before, costs.before_rest),
        after=_period(after, costs.after, costs.after_rest),
        project_count=len(explanation.projects),
        model_count=len(explanation.models),
    )


def _period(span: tuple[datetime, datetime], cells: Sequence[PeriodUsage], rest: PeriodRest) -> ComparedPeriod:
    return ComparedPeriod(
        start=span[0],
        end=span[1],
        call_count=int(sum(used.calls for used in cells)) + rest.calls,
        unpriced_calls=int(sum(used.unpriced_calls for used in cells)) + rest.unpriced_calls,
    )


def _volumes(cells: Iterable[Cell]) -> dict[str | None, Decimal]:
    """The calls of each project."""
    volumes: dict[str | None, Decimal] = {}
    for cell in cells:
        volumes[cell.project] = volumes.get(cell.project, _ZERO) + cell.calls
    return volumes


def _nothing(key: Key) -> Cell:
    return Cell(*key, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO)


def _change(before: Cell, after: Cell, volumes: tuple[Mapping[str | None, Decimal], ...]) -> ModelDifference:
    """The change of one model in one project."""
    old, new = (calls.get(before.project, _ZERO) for calls in volumes)
    difference = after.cost - before.cost
    status: ModelStatus
    if not old or not new:
        status = "new_project" if not old else "vanished_project"
        effects = {"new_projects" if not old else "vanished_projects": difference}
    else:
        status = "new_model" if not before.calls else "vanished_model" if not after.calls else "kept"
        effects = effects_on(before, after, old, new)
    return ModelDifference(
        project=before.project,
        provider=before.provider,
        model=before.model,
        status=status,
        before_cost=before.cost,
        after_cost=after.cost,
        difference=difference,
        effects=_sum([], **effects),
        before_calls=before.calls,
        after_calls=after.calls,
        before_unpriced_calls=before.unpriced_calls,
        after_unpriced_calls=after.unpriced_calls,
    )


def _sum(parts: Sequence[CostEffects], **more: Decimal) -> CostEffects:
    """The effects of several changes together."""
    return CostEffects(
        **{
            name: sum((getattr(part, name) for part in parts), more.get(name, _ZERO))
            for name in CostEffects.model_fields
        }
    )


def _projects(models: Sequence[ModelDifference]) -> list[ProjectDifference]:
    """The changes of each project, largest first."""
    by_project: dict[str | None, list[ModelDifference]] = {}
    for model in models:
        by_project.setdefault(model.project, []).append(model)
    projects = [
        ProjectDifference(
            project=project,
            before_cost=sum((model.before_cost for model in own), _ZERO),
            after_cost=sum((model.after_cost for model in own), _ZERO),
            difference=sum((model.difference for model in own), _ZERO),
            effects=_sum([model.effects for model in own]),
        )
        for project, own in by_project.items()
    ]
    return sorted(projects, key=lambda change: (-abs(change.difference), change.project is not None, change.project))


def _unpriced(models: Sequence[ModelDifference]) -> list[UnpricedModel]:
    """The models of calls without a known price, with the number of calls in each period; most first."""
    calls: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for model in models:
        before, after = calls.get((model.provider, model.model), (_ZERO, _ZERO))
        calls[model.provider, model.model] = (
            before + model.before_unpriced_calls,
            after + model.after_unpriced_calls,
        )
    found = [
        UnpricedModel(provider=provider, model=model, before_calls=before, after_calls=after)
        for (provider, model), (before, after) in calls.items()
        if before or after
    ]
    return sorted(found, key=lambda one: (-one.before_calls - one.after_calls, one.provider, one.model))
