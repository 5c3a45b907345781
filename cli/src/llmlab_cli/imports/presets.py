"""Presets for the files of other programs. A preset converts a row to the unparsed fields of events.

A row that is not a model call gives no event. Fields are those of an event, `tag.<key>` and `metadata.<key>`. `cost` is
the cost in the file. `id` is the provider's id of the response if `is_response_id` is true.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import Any, NamedTuple

from llmlab_cli.imports.values import InvalidValue, as_object, count, first, lookup, moment, number, usd

Fields = dict[str, Any]
MAX_REQUESTS = 1_000_000

FIELDS = (
    "id",
    "timestamp",
    "provider",
    "model",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "cost",
    "latency_ms",
    "status",
    "error_message",
    "project",
)


class Preset(NamedTuple):
    """A kind of file. `lists` are the names of the arrays that contain its rows in a JSON document."""

    title: str
    read: Callable[[Mapping[str, Any], datetime], Iterator[Fields]]
    lists: frozenset[str] = frozenset()


def plain(row: Mapping[str, Any], _: datetime) -> Iterator[Fields]:
    """Columns named like the fields of an event."""
    fields: Fields = {name: lookup(row, name) for name in FIELDS if name in row}
    fields.setdefault("id", lookup(row, "event_id"))
    for column in ("tags", "metadata"):
        kind = column.removesuffix("s")
        fields.update({f"{kind}.{key}": value for key, value in as_object(row.get(column)).items()})
    fields.update({name: lookup(row, name) for name in row if name.startswith(("tag.", "metadata."))})
    yield fields


# LiteLLM's names of providers that have another name in LLMLab.
LITELLM_VENDORS = {
    "azure_ai": "azure",
    "azure_text": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "text-completion-openai": "openai",
    "together_ai": "together",
    "vertex_ai": "google",
    "xai": "x-ai",
}


def litellm(row: Mapping[str, Any], _: datetime) -> Iterator[Fields]:
    """LiteLLM's table LiteLLM_SpendLogs, or the answer of /spend/logs. Prompt tokens include cached tokens."""
    usage = as_object(lookup(row, "metadata.usage_object")) or as_object(
        lookup(row, "metadata.additional_usage_values")
    )
    failed = str(first(row, "status", "metadata.status") or "success") != "success"
    counted = count(lookup(row, "prompt_tokens")) or count(lookup(row, "completion_tokens"))
    spend = usd(lookup(row, "spend"))
    if not (failed or counted or spend):
        return
    started, ended = moment(lookup(row, "startTime")), moment(lookup(row, "endTime"))
    provider = str(lookup(row, "custom_llm_provider") or "").strip().lower() or None
    hour = count(first(usage, "prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens")) or 0
    written = count(first(usage, "cache_creation_input_tokens", "prompt_tokens_details.cache_creation_tokens")) or 0
    yield {
        "id": lookup(row, "request_id"),
        "is_response_id": True,
        "timestamp": started,
        "provider": provider if provider is None else LITELLM_VENDORS.get(provider, provider),
        "model": lookup(row, "model"),
        "input_tokens": lookup(row, "prompt_tokens"),
        "output_tokens": lookup(row, "completion_tokens"),
        "cache_read_tokens": first(usage, "cache_read_input_tokens", "prompt_tokens_details.cached_tokens"),
        "cache_write_tokens": max(written - hour, 0),
        "cache_write_1h_tokens": hour,
        "reasoning_tokens": first(usage, "completion_tokens_details.reasoning_tokens"),
        "cost": spend,
        "free": str(lookup(row, "cache_hit")).lower() == "true",
        "latency_ms": _between(started, ended),
        "status": "error" if failed else "success",
        "tag.key": lookup(row, "metadata.user_api_key_alias"),
        "tag.team": first(row, "metadata.user_api_key_team_alias", "team_id"),
        "project": lookup(row, "metadata.user_api_key_project_alias"),
    }


def langfuse(row: Mapping[str, Any], _: datetime) -> Iterator[Fields]:
    """Langfuse's observations, from its UI, its API or its blob storage. Only generations are model calls.

    The counts in usageDetails add up, unless the total shows that `input` already includes the others.
    """
    model = first(row, "providedModelName", "provided_model_name", "model")
    kind = str(first(row, "type") or "GENERATION").upper()
    if model is None or kind in ("SPAN", "EVENT"):
        return
    details = as_object(first(row, "usageDetails", "usage_details"))
    counts = _langfuse_counts(details) if details else _langfuse_usage(row)
    started = moment(first(row, "startTime", "start_time"))
    ended = moment(first(row, "endTime", "end_time"))
    failed = str(first(row, "level") or "").upper() == "ERROR"
    yield {
        **counts,
        "id": first(row, "id", "observationId"),
        "timestamp": started,
        "model": model,
        "cost": first(
            row,
            "totalCost",
            "total_cost",
            "calculatedTotalCost",
            "costDetails.total",
            "cost_details.total",
        ),
        "latency_ms": _between(started, ended),
        "status": "error" if failed else "success",
        "tag.environment": lookup(row, "environment"),
    }


def _langfuse_usage(row: Mapping[str, Any]) -> Fields:
    return {
        "input_tokens": first(row, "inputUsage", "usage.input", "promptTokens", "inputTokens"),
        "output_tokens": first(row, "outputUsage", "usage.output", "completionTokens", "outputTokens"),
    }


def _langfuse_counts(details: Mapping[str, Any]) -> Fields:
    parts = {name: count(value) or 0 for name, value in details.items() if name != "total"}
    kinds = {"read": 0, "write": 0, "hour": 0, "reasoning": 0, "input": 0, "output": 0}
    for name, tokens in parts.items():
        if "cache_creation" in name or "cache_write" in name:
            kinds["hour" if "1h" in name else "write"] += tokens
        elif "cache" in name:
            kinds["read"] += tokens
        elif "output" in name:
            kinds["reasoning" if "reasoning" in name else "output"] += tokens
        elif "input" in name:
            kinds["input"] += tokens
    cached = kinds["read"] + kinds["write"] + kinds["hour"]
    total = count(details.get("total"))
    whole = parts.get("input", 0) + parts.get("output", 0)
    apart = total is None or total != whole or sum(parts.values()) == whole
    return {
        "input_tokens": kinds["input"] + cached if apart else parts.get("input", 0),
        "output_tokens": kinds["output"] + kinds["reasoning"] if apart else parts.get("output", 0),
        "cache_read_tokens": kinds["read"],
        "cache_write_tokens": kinds["write"],
        "cache_write_1h_tokens": kinds["hour"],
        "reasoning_tokens": kinds["reasoning"],
    }


# For these providers, Helicone's prompt tokens do not include cached tokens.
_WITHOUT_CACHE = ("claude", "anthropic")
_NOT_CACHED = "00000000-0000-0000-0000-000000000000"


def helicone(row: Mapping[str, Any], _: datetime) -> Iterator[Fields]:
    """Helicone's requests, from its UI, its API or its export tool."""
    model = first(row, "model_override", "response_model", "model", "request_model")
    status = number(first(row, "response_status", "status"))
    failed = status is not None and not 200 <= status < 300
    provider = first(row, "provider")
    name = f"{provider} {model}".lower()
    cached = [count(lookup(row, f"prompt_cache_{way}_tokens")) or 0 for way in ("read", "write")]
    prompt = count(lookup(row, "prompt_tokens"))
    if prompt is not None and any(part in name for part in _WITHOUT_CACHE):
        prompt += sum(cached)
    yield {
        "id": first(row, "request_id", "response_id"),
        "timestamp": first(row, "request_created_at", "response_created_at"),
        "provider": None if provider is None else str(provider).lower(),
        "model": model,
        "input_tokens": prompt,
        "output_tokens": lookup(row, "completion_tokens"),
        "cache_read_tokens": cached[0],
        "cache_write_tokens": cached[1],
        "reasoning_tokens": lookup(row, "reasoning_tokens"),
        "cost": first(row, "cost", "costUSD", "cost_usd"),
        "free": lookup(row, "cache_reference_id") not in (None, _NOT_CACHED),
        "latency_ms": first(row, "delay_ms", "latency"),
        "status": "error" if failed else "success",
        "error_message": f"HTTP {status}" if failed else None,
        **{
            f"tag.{key.lower()}": value
            for key, value in as_object(first(row, "request_properties", "properties")).items()
            if isinstance(value, str) and not key.lower().startswith("helicone-")
        },
    }


def openai_usage(row: Mapping[str, Any], now: datetime) -> Iterator[Fields]:
    """OpenAI's completions usage: the CSV of its usage page, or the answer of /organization/usage/completions.

    A row counts many requests. It becomes one event per request, all of equal size, since prices depend on the size of
    a request. Periods that are not over are skipped. Requests that do not cost the list price get a model name such as
    `gpt-4o (batch)`, which has no price until you add one.
    """
    results = lookup(row, "results")
    if isinstance(results, list):
        for result in results:
            if isinstance(result, dict):
                yield from openai_usage({**row, "results": None, **result}, now)
        return
    started, ended = moment(first(row, "start_time")), moment(first(row, "end_time"))
    calls = count(lookup(row, "num_model_requests")) or 0
    if started is None or calls == 0 or (ended is not None and ended > now):
        return
    model = lookup(row, "model")
    if model is None:
        raise InvalidValue("the model is missing; export the usage grouped by model")
    if calls > MAX_REQUESTS:
        raise InvalidValue(f"the row counts {calls:,} requests, more than {MAX_REQUESTS:,}; export shorter periods")
    groups = {name: lookup(row, name) for name in ("project_id", "user_id", "api_key_id", "batch", "service_tier")}
    kinds = ["batch"] if str(groups["batch"]).lower() == "true" else []
    kinds += [str(groups["service_tier"])] if groups["service_tier"] in ("flex", "priority", "scale") else []
    media = ("input_audio_tokens", "output_audio_tokens", "input_image_tokens", "output_image_tokens")
    kinds += ["media"] if any(count(lookup(row, name)) for name in media) else []
    counts = {
        "input_tokens": count(lookup(row, "input_tokens")) or 0,
        "output_tokens": count(lookup(row, "output_tokens")) or 0,
        "cache_read_tokens": count(lookup(row, "input_cached_tokens")) or 0,
        "cache_write_tokens": count(lookup(row, "input_cache_write_tokens")) or 0,
    }
    name = f"{model} ({', '.join(kinds)})" if kinds else str(model)
    line = "|".join([started.isoformat(), str(ended), str(model), *(str(value).lower() for value in groups.values())])
    for place in range(calls):
        yield {
            **{key: total // calls + (place < total % calls) for key, total in counts.items()},
            "line": f"openai-usage|{line}|{place}",
            "timestamp": started,
            "provider": "openai",
            "model": name,
            "project": first(row, "project_name", "project_id"),
            "metadata.averaged_over": calls,
        }


def ccusage(row: Mapping[str, Any], now: datetime) -> Iterator[Fields]:
    """`ccusage daily --json`: one event per model and complete day, at 12:00 UTC.

    A daily total cannot be priced by the size of a request, so the cost that ccusage computed is used.
    """
    day = first(row, "date", "period")
    breakdowns = lookup(row, "modelBreakdowns")
    if day is None or not isinstance(breakdowns, list):
        raise InvalidValue("the row is not a day with modelBreakdowns, as written by ccusage daily --json")
    try:
        on = date.fromisoformat(str(day))
    except ValueError:
        raise InvalidValue(f"{str(day)[:40]!r} is not a day; only ccusage daily is supported") from None
    if on >= now.astimezone().date():
        return
    project = first(row, "project", "instance")
    for part in breakdowns:
        counts = {name: count(lookup(part, name)) or 0 for name in ("inputTokens", "outputTokens")}
        read, written = (count(lookup(part, name)) or 0 for name in ("cacheReadTokens", "cacheCreationTokens"))
        if not any((*counts.values(), read, written)):
            continue
        model = lookup(part, "modelName")
        cost = usd(lookup(part, "cost"))
        yield {
            "line": f"ccusage|{on}|{project}|{model}",
            "timestamp": datetime.combine(on, time(12), timezone.utc),
            "model": model,
            "input_tokens": counts["inputTokens"] + read + written,
            "output_tokens": counts["outputTokens"],
            "cache_read_tokens": read,
            "cache_write_tokens": written,
            "cost": cost,
            # ccusage writes 0 where it has no price.
            "trusted": cost is not None and cost > 0,
            "project": project,
        }


def _between(started: datetime | None, ended: datetime | None) -> Decimal | None:
    if started is None or ended is None or ended < started:
        return None
    return Decimal((ended - started).microseconds + (ended - started).seconds * 10**6) / 1000


PRESETS = {
    "plain": Preset("columns named like the fields of an event", plain, frozenset({"events"})),
    "litellm": Preset("LiteLLM's spend logs", litellm, frozenset({"data"})),
    "langfuse": Preset("Langfuse's observations", langfuse, frozenset({"data"})),
    "helicone": Preset("Helicone's requests", helicone, frozenset({"data"})),
    "openai": Preset("OpenAI's completions usage", openai_usage, frozenset({"data"})),
    "ccusage": Preset("ccusage daily --json", ccusage, frozenset({"daily"})),
}
