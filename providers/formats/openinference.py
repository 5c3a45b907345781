"""Calls by the conventions of OpenInference (https://github.com/Arize-ai/openinference).

`llm.token_count.prompt` includes the cached part (openinference-instrumentation-anthropic, _utils.py), except for
Claude by older versions of LangChain. The conventions have no names for the duration of cache writes and for the
vendor's id; the vendor's answer in `output.value` has both.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from providers.formats.attributes import CountNames, CountReader, parsed, text
from providers.formats.calls import ReportedCall, billed, mapping, whole, with_parts

KIND = "openinference.span.kind"
_CALLS = frozenset({"LLM", "EMBEDDING"})
_COUNTS = CountReader(
    CountNames(
        input=("llm.token_count.prompt",),
        output=("llm.token_count.completion",),
        read=("llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input"),
        written=("llm.token_count.prompt_details.cache_write",),
        reasoning=("llm.token_count.completion_details.reasoning",),
    )
)
_MODEL = ("llm.response.model_name", "llm.model_name", "embedding.model_name")
_PROVIDER = ("llm.provider", "llm.system")
_COST = "llm.cost.total"
# The request without the prompt; of failed calls only this names the model.
_PARAMETERS = "llm.invocation_parameters"
_RESPONSE_ID = "gen_ai.response.id"
# The vendor's own answer, or that of a framework around it.
_OUTPUT = "output.value"
# The id in the vendor's own answer. In an assembled stream, it follows the choices. Quotes within a text are escaped.
_ANSWER_ID = re.compile(r'\{\s*(?:"choices":\s*\[.*\],\s*)?"id":\s*"([A-Za-z0-9_-]{16,100})"', re.DOTALL)
# The start of an answer of OpenAI's client that was printed, as smolagents do.
_PRINTED = re.compile(r"\w+\(id='([A-Za-z0-9_-]{16,100})'")
# Ids of LangChain's own runs.
_RUN_ID = re.compile(r"(?:lc_)?run-")

WANTED = _COUNTS.names | {KIND, *_MODEL, *_PROVIDER, _COST, _PARAMETERS, _RESPONSE_ID, _OUTPUT}


def openinference_call(attributes: Mapping[str, Any]) -> ReportedCall | None:
    """The call of a span of these conventions; None for a chain, an agent and the like."""
    requested = text(parsed(attributes.get(_PARAMETERS)), "model")
    model = text(attributes, *_MODEL) or requested
    if attributes[KIND] not in _CALLS or model is None:
        return None
    output = text(attributes, _OUTPUT) or ""
    counts = _COUNTS.read(attributes)
    id_of_answer = _ANSWER_ID.match(output)
    # The vendor's own answer tells no more than the attributes, unless something was written to the cache.
    needed = id_of_answer is None or (counts is not None and counts.cache_write)
    answers = list(_answers(parsed(output))) if needed else []
    for answer in answers:
        counts = counts and with_parts(counts, mapping(answer.get("usage")))
    return ReportedCall(
        provider=text(attributes, *_PROVIDER) or "",
        model=next((named for answer in answers if (named := text(answer, "model_name"))), model),
        response_id=id_of_answer[1] if id_of_answer else _response_id(answers) or text(attributes, _RESPONSE_ID),
        counts=whole(counts),
        cost=billed(attributes.get(_COST)),
        requested=requested,
    )


def is_call(attributes: Mapping[str, Any]) -> bool:
    """Whether a span says that it is a call of a model."""
    return attributes.get(KIND) in _CALLS


def _answers(output: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The parts of an output that may hold the vendor's id and usage: an answer as it is, or LangChain's of one."""
    generations = output.get("generations")
    if not isinstance(generations, list):
        yield output
        return
    yield mapping(output.get("llm_output"))
    generation = mapping(_first(_first(generations)))
    message = mapping(generation.get("message"))
    message = mapping(message.get("kwargs")) or message
    yield mapping(message.get("response_metadata"))
    yield message


def _first(values: object) -> object:
    return values[0] if isinstance(values, list) and values else None


def _response_id(answers: list[Mapping[str, Any]]) -> str | None:
    for answer in answers:
        id = text(answer, "id")
        if id is not None and not _RUN_ID.match(id):
            return id
        printed = _PRINTED.match(text(answer, "raw") or "")
        if printed is not None:
            return printed[1]
    return None
