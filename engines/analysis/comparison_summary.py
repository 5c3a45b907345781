"""The sentence that sums up why spend changed between two periods."""

from collections.abc import Sequence
from decimal import Decimal

from schemas.comparison import CostEffects, ModelDifference, ProjectDifference, UnpricedModel
from utils.money import change_in_dollars, dollars

_ZERO = Decimal(0)
_MOST_NAMED = 3
# Share of all effects, regardless of sign, below which one is not named.
_WORTH_NAMING = Decimal("0.05")


def summary(
    before: Decimal,
    after: Decimal,
    projects: Sequence[ProjectDifference],
    models: Sequence[ModelDifference],
    unpriced: Sequence[UnpricedModel],
) -> str:
    """One sentence: by how much spend changed, the largest causes by name, and what is in no total."""
    difference = after - before
    if difference:
        text = f"Spend {'rose' if difference > 0 else 'fell'} by {dollars(abs(difference))}"
        if before:
            text += f" ({abs(difference) / before:.1%})"
        text += f", from {dollars(before)} to {dollars(after)}"
    else:
        text = f"Spend stayed at {dollars(after)}"
    effects = [
        (effect, project.project, cause)
        for project in projects
        for cause in CostEffects.model_fields
        if (effect := getattr(project.effects, cause))
    ]
    gross = sum((abs(effect) for effect, _, _ in effects), _ZERO)
    effects.sort(key=lambda entry: -abs(entry[0]))
    named = [
        f"{_phrase(cause, effect, project, models)} ({change_in_dollars(effect)})"
        for effect, project, cause in effects[:_MOST_NAMED]
        if abs(effect) >= gross * _WORTH_NAMING
    ]
    if named:
        text += f", mainly due to {', '.join(named[:-1])}{' and ' if named[1:] else ''}{named[-1]}"
    if unpriced:
        calls = sum((one.before_calls + one.after_calls for one in unpriced), _ZERO)
        names = ", ".join(one.model for one in unpriced[:_MOST_NAMED]) + (", ..." if unpriced[_MOST_NAMED:] else "")
        text += (
            f"; {calls.normalize():f} call{'' if calls == 1 else 's'} without a known price ({names}) "
            f"{'is' if calls == 1 else 'are'} not included in either total"
        )
    return f"{text}."


def _phrase(cause: str, effect: Decimal, project: str | None, models: Sequence[ModelDifference]) -> str:
    where = "outside projects" if project is None else f"in {project}"
    more = effect > 0
    if cause == "model_mix":
        own = [model for model in models if model.project == project]
        before = sum((model.before_calls for model in own), _ZERO)
        after = sum((model.after_calls for model in own), _ZERO)
        shifts = sorted((m.after_calls / after - m.before_calls / before, m.model) for m in own)
        return f"calls moving from {shifts[0][1]} to {shifts[-1][1]} {where}"
    return {
        "volume": f"{'more' if more else 'fewer'} calls {where}",
        "tokens_per_call": f"{'more' if more else 'fewer'} tokens per call {where}",
        "cache_hit_rate": f"{'worse' if more else 'better'} use of the prompt cache {where}",
        "price": f"{'higher' if more else 'lower'} prices {where}",
        "priced_share": f"a {'larger' if more else 'smaller'} share of calls with a known price {where}",
        "new_projects": "the first calls outside projects" if project is None else f"the new project {project}",
        "vanished_projects": "no more calls outside projects" if project is None else f"no more calls {where}",
    }[cause]
