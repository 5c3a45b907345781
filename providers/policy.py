"""What a workspace decided about its calls: the models nobody shall call, and the most tokens of a call."""

from providers.anthropic import CLAUDE_HAIKU_45
from schemas.settings import Breach, WorkspaceSettings
from utils.patterns import Pattern

_REMEMBERED = 10_000


class Policy:
    """The rules that a workspace's settings make for calls. It is false when there are none.

    `disabled_models` are patterns of model names, at any provider; those of Claude Haiku 4.5 are among them when it is
    switched off.
    """

    def __init__(self, settings: WorkspaceSettings) -> None:
        self.disabled_models = [
            *settings.disabled_models,
            *(() if settings.claude_haiku_45_enabled else CLAUDE_HAIKU_45),
        ]
        self.max_tokens_per_request = settings.max_tokens_per_request
        self._patterns = [Pattern(pattern) for pattern in self.disabled_models]
        self._disabled: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._patterns) or self.max_tokens_per_request is not None

    def breaches(self, model: str, tokens: int) -> list[Breach]:
        """The rules that a call of a model with so many tokens, prompt and output together, breaks."""
        found = []
        if self._patterns and self._is_disabled(model):
            found.append(Breach("model_disabled", f"The settings of this workspace disable the model {model!r}"))
        most = self.max_tokens_per_request
        if most is not None and tokens > most:
            found.append(
                Breach("token_limit", f"The settings of this workspace allow {most} tokens per request, not {tokens}")
            )
        return found

    def _is_disabled(self, model: str) -> bool:
        disabled = self._disabled.get(model)
        if disabled is None:
            if len(self._disabled) >= _REMEMBERED:
                self._disabled.clear()
            disabled = self._disabled[model] = any(pattern.fits(model) for pattern in self._patterns)
        return disabled
