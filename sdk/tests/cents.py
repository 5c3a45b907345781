"""Calls that cost a cent, and the budget for them."""

from decimal import Decimal
from typing import Any

import llmlab
from tests.support.workspace import Workspace

CENT_TOKENS = 4_000  # 4,000 tokens into gpt-4o cost exactly a cent.


def budget(workspace: Workspace, cents: int) -> dict[str, Any]:
    limit = {"limit": cents / 100, "hard": True, "name": "hard"}
    made: dict[str, Any] = workspace.ask("POST", "/api/budgets", limit)
    return made


def state(workspace: Workspace) -> tuple[Decimal | int, Decimal | int]:
    """The spent and the reserved amount of the only budget."""
    (found,) = workspace.ask("GET", "/api/budgets")["budgets"]
    return found["current_spend"], found["reserved"]


@llmlab.track_cost("openai", "gpt-4o", input_tokens=CENT_TOKENS, max_output_tokens=0)
def cent(made: list[int]) -> dict[str, Any]:
    """Costs a cent."""
    made.append(1)
    return {"model": "gpt-4o", "usage": {"prompt_tokens": CENT_TOKENS, "completion_tokens": 0}}
