"""A workspace's rules for its calls: disabled models, and the most tokens of a call."""

from functools import lru_cache

from schemas.settings import Breach, WorkspaceSettings
from utils.patterns import Pattern

# The names of Claude Haiku 4.5 at Anthropic and, with prefixes and suffixes, at its resellers.
CLAUDE_HAIKU_45 = ("*claude-haiku-4-5*", "*claude-haiku-4.5*", "*claude-4-5-haiku*", "*claude-4.5-haiku*")

_MOST_CACHED = 10_000


class Policy:
    """The rules of a workspace's settings for calls. It is false when there are none.

    `disabled_models` are patterns of model names, with or without the provider in front; those of Claude Haiku 4.5 are
    among them when it is switched off.
    """

    def __init__(self, settings: WorkspaceSettings) -> None:
        self.disabled_models = [
            *settings.disabled_models,
            *(() if settings.claude_haiku_45_enabled else CLAUDE_HAIKU_45),
        ]
        self.max_tokens_per_request = settings.max_tokens_per_request
        patterns = [Pattern(pattern) for pattern in self.disabled_models]

        @lru_cache(_MOST_CACHED)
        def is_disabled(model: str) -> bool:
            return any(pattern.fits(model) for pattern in patterns)

        self._is_disabled = is_disabled

    def __bool__(self) -> bool:
        return bool(self.disabled_models) or self.max_tokens_per_request is not None

    def breaches(self, provider: str, model: str, tokens: int, requested: str | None = None) -> list[Breach]:
        """The rules that a call breaks. `tokens` are those of prompt and output together.

        `requested` is the model's name as the caller spells it, where it differs from the recorded one.
        """
        found = []
        if any(self._is_disabled(name) for name in (model, f"{provider}/{model}", requested or model)):
            found.append(Breach("model_disabled", f"The settings of this workspace disable the model {model!r}"))
        most = self.max_tokens_per_request
        if most is not None and tokens > most:
            found.append(
                Breach("token_limit", f"The settings of this workspace allow {most} tokens per request, not {tokens}")
            )
        return found
