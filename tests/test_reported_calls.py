"""Reported calls: the counts, names, ids and prices that are read from what each client sends.

`reported_spans.json` has spans that real clients sent of calls to `tests.support.vendors` and its like, without texts,
with the counts and the cost of what the vendor answered.
"""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from providers import PriceBook
from providers.formats import Counts, ReportedCall, Span, UnreadCall, parse_call, unread_call, wanted, without_texts
from providers.formats.calls import usage_counts, vendor_response_id
from providers.formats.litellm import answering_model
from schemas.usage import Usage
from tests.support.data import cases

REPORTED = cases("reported_spans.json")
BOOK = PriceBook()
AT = datetime(2026, 11, 30, tzinfo=UTC)


def span(attributes: dict[str, Any], scope: str = "") -> Span:
    return Span("1" * 32, "1" * 16, "", "name", 0, 0, False, None, scope, attributes, {})


def read(attributes: dict[str, Any], scope: str = "") -> ReportedCall:
    call = parse_call(span(attributes, scope))
    assert call is not None
    return call


@pytest.mark.parametrize("case", REPORTED.values(), ids=REPORTED)
def test_a_call_is_read_as_its_vendor_counted_it(case: dict[str, Any]) -> None:
    assert all(wanted(key) for key in case["attributes"]), "attributes that are not read"
    call = read(case["attributes"], case["scope"])
    assert call.counts == Counts(**case["counts"])
    provider, model = BOOK.names(call.provider, call.model, call.requested)
    assert (provider, model) == (case["provider"], case["model"])
    assert (call.response_id, call.group, call.free) == (
        case["response_id"],
        case.get("group"),
        case.get("free", False),
    )
    usage = Usage.of_prompt(
        input_tokens=call.counts.input,
        cache_read_tokens=call.counts.cache_read,
        cache_write_5m_tokens=call.counts.cache_write,
        cache_write_1h_tokens=call.counts.cache_write_1h,
        output_tokens=call.counts.output,
        reasoning_tokens=call.counts.reasoning,
    )
    assert BOOK.price(provider, model, usage, AT).cost == Decimal(case["cost"])


# Counts


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}, Counts(9, 2, 4)),
        ({"input_tokens": 9, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 4}}, Counts(9, 2, 4)),
        ({"input_tokens": 9, "output_tokens": 2, "cache_read_input_tokens": 4}, Counts(13, 2, 4)),
        ({"input_tokens": 9, "cache_creation": {"ephemeral_5m_input_tokens": 3}}, Counts(12, 0, 0, 3)),
        (
            {"input_tokens": 9, "cache_creation_input_tokens": 7, "cache_creation": {"ephemeral_1h_input_tokens": 3}},
            Counts(16, 0, 0, 4, 3),
        ),
        ({"total_tokens": 9}, None),
    ],
)
def test_the_usage_of_a_vendor_says_whether_the_prompt_has_its_cached_part(
    usage: dict[str, Any], counts: Counts | None
) -> None:
    assert usage_counts(usage) == counts


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"input": 86, "input_cached_tokens": 1920, "output": 236, "output_reasoning_tokens": 64}, (2006, 300, 1920)),
        ({"input": 2006, "input_cached_tokens": 1920, "output": 300, "total": 2306}, (2006, 300, 1920)),
        ({"input": 1506, "input_cache_read": 500, "output": 300, "total": 2306}, (2006, 300, 500)),
        ({"input": 1506, "input_cache_read": 500, "output": 300}, (2006, 300, 500)),
        ({"input": 2006, "output": 300, "output_reasoning": 64, "total": 2306}, (2006, 300, 0)),
        ({"input": 80, "input_audio": 6, "input_cache_read": 1920, "output": 300}, (2006, 300, 1920)),
        ({"input": 86, "input_cache_read": 1920, "input_priority": 2006, "output": 300}, (2006, 300, 1920)),
        ({"prompt_tokens": 2006, "completion_tokens": 300, "prompt_tokens_details": {"cached_tokens": 1920}},
         (2006, 300, 1920)),
        ({"input": 12}, (12, 0, 0)),
    ],
)  # fmt: skip
def test_the_parts_of_a_usage_of_langfuse_add_up(usage: dict[str, Any], counts: tuple[int, int, int]) -> None:
    observation = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "gpt-4o",
        "langfuse.observation.usage_details": json.dumps(usage),
    }
    found = read(observation).counts
    assert found is not None
    assert (found.input, found.output, found.cache_read) == counts


def test_the_provider_of_an_observation_of_langfuse_is_that_of_langchain() -> None:
    observation = {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "house-model"}
    assert read({**observation, "langfuse.observation.metadata.ls_provider": '"groq"'}).provider == "groq"


@pytest.mark.parametrize("prompt", [57, 50])
def test_the_answer_in_a_span_of_openinference_tells_the_cached_parts(prompt: int) -> None:
    usage = {"input_tokens": 50, "cache_creation_input_tokens": 7, "cache_creation": {"ephemeral_1h_input_tokens": 3}}
    call = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "claude-sonnet-4-5",
        "llm.token_count.prompt": prompt,
        "llm.token_count.prompt_details.cache_write": 7,
        "output.value": json.dumps({"id": "msg_01MlxGx2AiJtG21mlKK3OZEH", "usage": usage}),
    }
    assert read(call).counts == Counts(57, 0, 0, 4, 3)
    assert read(call).response_id == "msg_01MlxGx2AiJtG21mlKK3OZEH"


def test_an_observation_of_langfuse_that_is_no_generation_is_no_call() -> None:
    observation = {"langfuse.observation.type": "agent", "langfuse.observation.model.name": "gpt-4o"}
    assert parse_call(span({**observation, "langfuse.observation.usage_details": '{"input": 3}'})) is None


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0},
        {"openinference.span.kind": "LLM", "llm.token_count.prompt": 0, "llm.model_name": "gpt-4o"},
        {"ai.operationId": "ai.generateText.doGenerate", "ai.usage.inputTokens": 0},
    ],
)
def test_two_zeros_are_no_counts(attributes: dict[str, Any]) -> None:
    assert read({"gen_ai.request.model": "gpt-4o", **attributes}).counts is None


@pytest.mark.parametrize("name", ["gen_ai.cost.total_cost", "operation.cost", "gen_ai.usage.cost"])
def test_a_reported_cost_is_read(name: str) -> None:
    call = {"gen_ai.request.model": "house-model", "gen_ai.usage.input_tokens": 9}
    assert read({**call, name: 0.0075}).cost == Decimal("0.0075")


def test_a_span_of_traceloop_is_a_call_if_it_has_a_response_and_counts() -> None:
    workflow = {"traceloop.span.kind": "workflow", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 9}
    assert parse_call(span(workflow)) is None
    assert read({**workflow, "gen_ai.response.id": "chatcmpl-9f8c2a44d2f34f0a"}).counts == Counts(9, 0)


def test_the_answer_of_a_stream_that_logfire_reports_apart_is_the_call() -> None:
    request = {"logfire.span_type": "span", "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}
    assert parse_call(span(request)) is None
    assert parse_call(span(request)._replace(failed=True)) is not None


# Names


@pytest.mark.parametrize(
    ("provider", "model", "requested", "names"),
    [
        ("openai", "openai/gpt-4o", None, ("openai", "gpt-4o")),
        ("openai", "ft:gpt-4o:house::abc", None, ("openai", "ft:gpt-4o:house::abc")),
        ("gemini", "gemini/gemini-2.5-pro", None, ("google", "gemini-2.5-pro")),
        ("vertex_ai", "publishers/google/models/gemini-2.5-pro", None, ("google", "gemini-2.5-pro")),
        ("vertex.anthropic.messages", "claude-sonnet-4-5", None, ("google", "claude-sonnet-4-5")),
        ("bedrock.anthropic.messages", "anthropic.claude-x", None, ("aws", "anthropic.claude-x")),
        ("azure.openai", "our-deployment", None, ("azure", "our-deployment")),
        ("AWS", "claude-sonnet-4-5-20250929-v1:0", None, ("aws", "anthropic.claude-sonnet-4-5-20250929-v1:0")),
        ("aws", "nova-lite-v1:0", None, ("aws", "amazon.nova-lite-v1:0")),
        ("bedrock", "bedrock/converse/us.anthropic.claude-x-v1:0", None, ("aws", "us.anthropic.claude-x-v1:0")),
        ("aws", "arn:aws:bedrock:us-east-1:1:inference-profile/eu.meta.x", None, ("aws", "eu.meta.x")),
        ("aws", "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", None,
         ("aws", "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc")),
        ("openrouter", "openrouter/openai/gpt-4o", None, ("openrouter", "openai/gpt-4o")),
        ("openrouter", "openai/gpt-4o", None, ("openrouter", "openai/gpt-4o")),
        ("", "openai/gpt-4o", None, ("openai", "gpt-4o")),
        ("", "gpt", "gpt-5", ("openai", "gpt")),
        ("strands-agents", "claude-sonnet-4-5", None, ("anthropic", "claude-sonnet-4-5")),
        ("LiteLLM", "groq/llama-3.3-70b-versatile", None, ("groq", "llama-3.3-70b-versatile")),
        ("шлюз", "gpt-4o", None, ("шлюз", "gpt-4o")),
        # Names that only Bedrock has.
        ("", "us.amazon.nova-lite-v1:0", None, ("aws", "us.amazon.nova-lite-v1:0")),
        ("", "embedder", "converse/amazon.nova-lite-v1:0", ("aws", "embedder")),
        ("unknown", "gpt-5-2025-08-07", None, ("openai", "gpt-5-2025-08-07")),
        ("", "embedder", "text-embedding-3-small", ("openai", "embedder")),
        # Served by many and made by none of them: a guess would be a wrong price.
        ("", "llama-3.3-70b", None, ("unknown", "llama-3.3-70b")),
        # Longer than a name may be: it is refused with the event.
        ("bedrock", "x" * 300, None, ("bedrock", "x" * 300)),
    ],
)  # fmt: skip
def test_a_model_has_one_name_whichever_way_it_came(
    provider: str, model: str, requested: str | None, names: tuple[str, str]
) -> None:
    assert BOOK.names(provider, model, requested) == names
    assert BOOK.names(*names) == names


@pytest.mark.parametrize(
    ("answer", "requested", "group", "found"),
    [
        ("gpt", "openai/gpt-4o", "gpt", ("openai/gpt-4o", "gpt")),
        ("gpt-4o-2024-08-06", "openai/gpt-4o", "gpt", ("gpt-4o-2024-08-06", "gpt")),
        ("gpt-4o-2024-08-06", "gpt-4o", None, ("gpt-4o-2024-08-06", None)),
        ("claude-3-5-haiku-20241022", "claude-3-5-haiku-latest", None, ("claude-3-5-haiku-20241022", None)),
        ("gpt-4o-mini", "gpt-4o", None, ("gpt-4o", "gpt-4o-mini")),
        ("gpt-4o", "openai/gpt-4o", "gpt-4o", ("openai/gpt-4o", None)),
        (None, "openai/gpt-4o", "gpt", ("openai/gpt-4o", "gpt")),
        ("gpt-4o", None, None, ("gpt-4o", None)),
        (None, None, None, ("", None)),
    ],
)
def test_the_model_of_a_proxy_is_the_one_that_the_vendor_ran(
    answer: str | None, requested: str | None, group: str | None, found: tuple[str, str | None]
) -> None:
    assert answering_model(answer, requested, group) == found


def test_the_id_that_litellm_puts_around_a_vendors_is_removed() -> None:
    within = "resp_98f00c5cabce8e0f29d10107ee89d5c1933ec36ecdc0827062"
    text = f"litellm:custom_llm_provider:openai;model_id:~~~???;response_id:{within}".encode()
    assert not {*b"-_"}.isdisjoint(base64.urlsafe_b64encode(text))
    for encoded in (base64.b64encode(text).decode(), base64.urlsafe_b64encode(text).decode().rstrip("=")):
        assert vendor_response_id(f"resp_{encoded}") == within
    for other in (within, "resp_" + "A" * 80, "resp_" + base64.b64encode(b"\xff" * 60).decode(), "chatcmpl-1", None):
        assert vendor_response_id(other) == other


# Spans of conventions that are not known

HOUSE = {"house.model_name": "gpt-4o", "house.tokens.prompt": 9, "house.prompt": "CANARY", "house.max_tokens": 100}


def test_a_span_with_a_model_and_tokens_that_is_not_understood_is_reported_by_its_names() -> None:
    assert wanted("house.model_name") and wanted("house.tokens.prompt") and not wanted("house.prompt")
    kept = {key: value for key, value in HOUSE.items() if wanted(key)}
    assert parse_call(span(kept)) is None
    assert unread_call(span(kept, "house")) == UnreadCall("house", ("house.model_name", "house.tokens.prompt"))
    many = {f"{'x' * 200}.token.{n}": 1 for n in range(30)}
    found = unread_call(span({**kept, **many}, "s" * 200))
    assert found is not None
    assert (len(found.scope), len(found.names), max(map(len, found.names))) == (128, 16, 128)


@pytest.mark.parametrize(
    "attributes",
    [
        {"requestModel": "gpt-4o", "usage.inputTokens": 9},
        {"house.model": "gpt-4o", "operation.tokens": "9"},
        {"mlflow.llm.model": '"gpt-4o"', "mlflow.chat.tokenUsage": '{"input_tokens": 9, "output_tokens": 0}'},
    ],
)
def test_names_and_counts_are_found_in_other_forms(attributes: dict[str, Any]) -> None:
    assert all(map(wanted, attributes))
    found = unread_call(span(attributes))
    assert found is not None and found.names == tuple(sorted(attributes))


@pytest.mark.parametrize(
    "attributes",
    [
        {"requestModel": "gpt-4o", "maxTokens": 9, "tokensPerSecond": 9},
        {"house.model_name": "gpt-4o", "auth.token": "123456", "house.tokens": "{}"},
        {"house.model_name": "gpt-4o", "house.max_tokens": 9, "house.time_per_output_token": 0.5},
        {"house.model_name": "gpt-4o", "auth.token": "CANARY"},
        {"house.tokens.prompt": 9},
        {**HOUSE, "gen_ai.operation.name": "invoke_agent"},
        {**HOUSE, "openinference.span.kind": "CHAIN"},
        {**HOUSE, "ai.operationId": "ai.generateText"},
        {**HOUSE, "traceloop.span.kind": "workflow"},
        {**HOUSE, "langfuse.observation.type": "agent"},
    ],
)
def test_spans_that_say_that_they_are_no_call_are_not_reported(attributes: dict[str, Any]) -> None:
    assert unread_call(span(attributes)) is None


def test_only_numbers_and_names_of_models_and_providers_are_shown() -> None:
    shown = {
        "gen_ai.provider.name": "openai",
        "gen_ai.system": "vertex_ai",
        "ai.model.provider": "azure.openai",
        "llm.model_name": "us.anthropic.claude-x-v1:0",
        "house.requestModel": "ft:gpt-4o:house::abc",
        "house.model.id": "models/gemini-2.5-pro",
        "house.tokens": 12,
        "house.tokens_per_second": 1.5,
        "house.model_is_fast": True,
    }
    removed = {
        "house.model": "Which model do you prefer?",
        "house.model.name": "x" * 129,
        "house.model_answer": "Yes",
        "gen_ai.request.model_input": "Yes",
        "house.system": "openai",
        "house.token": "CANARY",
    }
    found = without_texts(span({**shown, **removed}))
    assert found == {name: str(value) for name, value in shown.items()} | dict.fromkeys(removed)
    assert len(without_texts(span({f"tokens.{n}": n for n in range(1000)}))) == 32
