"""Google GenAI: generate_content and generate_content_stream, for the Gemini API and Vertex AI.

Each request is one call, as Google bills it. Automatic function calling makes several requests.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from llmlab.instruments.calls import aobserved, observed
from llmlab.instruments.observation import Gate, Observation, guarded
from llmlab.instruments.patches import Function, Patch
from llmlab.instruments.readers import Reader, as_dict


def patches() -> list[Patch]:
    """The patches for the client. Raises ImportError for unsupported versions."""
    from google.genai.models import AsyncModels, Models

    return [
        Patch(Models, "_generate_content", observed(_plan, _take)),
        Patch(AsyncModels, "_generate_content", aobserved(_plan, _take)),
        Patch(Models, "_generate_content_stream", _streamed),
        Patch(AsyncModels, "_generate_content_stream", _astreamed),
    ]


def _plan(_: Any, __: tuple[Any, ...], named: Mapping[str, Any], is_stream: bool = False) -> Observation | None:
    contents, config = named.get("contents"), named.get("config")
    settings = config if isinstance(config, Mapping) else getattr(config, "__dict__", {})
    limit = settings.get("max_output_tokens")
    return Observation(
        "google",
        str(named.get("model")).rpartition("/")[2],
        ContentReader(),
        prompt=[contents, settings.get("system_instruction"), settings.get("tools")],
        max_output_tokens=None if limit is None else limit * (settings.get("candidate_count") or 1),
        api_flavor="default",
        cacheable=None if is_stream else [contents, config],
    )


def _take(observation: Observation, answer: Any) -> None:
    body = getattr(answer.sdk_http_response, "body", None)
    # With should_return_http_response, Google's client does not parse the body.
    data = json.loads(body) if body and answer.usage_metadata is None else _data_of(answer)
    observation.answered({**data, "ended": True}, answer)


def _data_of(answer: Any) -> dict[str, Any]:
    """The parts of an answer that the reader needs, with the names in Google's JSON."""
    candidates = answer.candidates or ()
    return {
        "responseId": answer.response_id,
        "modelVersion": answer.model_version,
        "usageMetadata": as_dict(answer.usage_metadata),
        "text": [part.text for candidate in candidates if candidate.content for part in candidate.content.parts or ()],
        "ended": bool(answer.prompt_feedback) or any(candidate.finish_reason for candidate in candidates),
    }


def _streamed(original: Function, gate: Gate) -> Function:
    def stream(client: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
        observation = gate.observe(_plan, client, arguments, named, True)
        if observation is None:
            yield from original(client, *arguments, **named)
            return
        observation.begin()
        try:
            for chunk in original(client, *arguments, **named):
                guarded(_read, observation, chunk)
                yield chunk
        except Exception as error:
            observation.failed(error)
            raise
        finally:
            observation.end()

    return stream


def _astreamed(original: Function, gate: Gate) -> Function:
    async def stream(client: Any, *arguments: Any, **named: Any) -> AsyncIterator[Any]:
        observation = gate.observe(_plan, client, arguments, named, True)
        if observation is None:
            chunks: AsyncIterator[Any] = await original(client, *arguments, **named)
            return chunks
        await observation.abegin()
        try:
            chunks = await original(client, *arguments, **named)
        except BaseException as error:
            observation.failed(error)
            raise
        followed = _followed(observation, chunks)
        observation.follow(followed)
        return followed

    return stream


async def _followed(observation: Observation, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    try:
        async for chunk in chunks:
            guarded(_read, observation, chunk)
            yield chunk
    except Exception as error:
        observation.failed(error)
        raise
    finally:
        observation.end()


def _read(observation: Observation, chunk: Any) -> None:
    observation.reader.read(_data_of(chunk))


class ContentReader(Reader):
    """Generated content. Each event of a stream reports the total usage so far."""

    def read(self, data: Mapping[str, Any]) -> bool:
        self.call_id = data.get("responseId") or self.call_id
        self.model = data.get("modelVersion") or self.model
        self._count(data.get("usageMetadata"))
        self._add_text(*data.get("text") or ())
        self.complete = self.complete or (bool(self.usage) and bool(data.get("ended")))
        return False

    @property
    def response(self) -> dict[str, Any]:
        """The model and usage under Google's names."""
        return {"modelVersion": self.model, "usageMetadata": self.usage}
