"""Google GenAI: generate_content and generate_content_stream, for the Gemini API and Vertex AI.

Each request is a call of its own, as Google charges it: a function called on the model's behalf leads to another one.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from llmlab.instruments.calls import aobserved, observed
from llmlab.instruments.observation import Gate, Observation, guarded
from llmlab.instruments.patches import Function, Patch
from llmlab.instruments.readers import Reader, plain


def patches() -> list[Patch]:
    """What to patch. Raises ImportError for a version that is made otherwise."""
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


def _take(seen: Observation, answer: Any) -> None:
    body = getattr(answer.sdk_http_response, "body", None)
    # Asked for the HTTP response, Google's client does not parse it.
    told = json.loads(body) if body and answer.usage_metadata is None else _told(answer)
    seen.answered({**told, "ended": True}, answer)


def _told(answer: Any) -> dict[str, Any]:
    """What of an answer is read, with the names it has on the wire."""
    candidates = answer.candidates or ()
    return {
        "responseId": answer.response_id,
        "modelVersion": answer.model_version,
        "usageMetadata": plain(answer.usage_metadata),
        "text": [part.text for candidate in candidates if candidate.content for part in candidate.content.parts or ()],
        "ended": bool(answer.prompt_feedback) or any(candidate.finish_reason for candidate in candidates),
    }


def _streamed(original: Function, gate: Gate) -> Function:
    def stream(client: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
        seen = gate.observe(_plan, client, arguments, named, True)
        if seen is None:
            yield from original(client, *arguments, **named)
            return
        seen.begin()
        try:
            for chunk in original(client, *arguments, **named):
                guarded(_look, seen, chunk)
                yield chunk
        except Exception as error:
            seen.failed(error)
            raise
        finally:
            seen.end()

    return stream


def _astreamed(original: Function, gate: Gate) -> Function:
    async def stream(client: Any, *arguments: Any, **named: Any) -> AsyncIterator[Any]:
        seen = gate.observe(_plan, client, arguments, named, True)
        if seen is None:
            chunks: AsyncIterator[Any] = await original(client, *arguments, **named)
            return chunks
        await seen.abegin()
        try:
            chunks = await original(client, *arguments, **named)
        except BaseException as error:
            seen.failed(error)
            raise
        followed = _followed(seen, chunks)
        seen.follow(followed)
        return followed

    return stream


async def _followed(seen: Observation, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    try:
        async for chunk in chunks:
            guarded(_look, seen, chunk)
            yield chunk
    except Exception as error:
        seen.failed(error)
        raise
    finally:
        seen.end()


def _look(seen: Observation, chunk: Any) -> None:
    seen.reader.read(_told(chunk))


class ContentReader(Reader):
    """Generated content. Every event of a stream counts all that was used so far."""

    def read(self, data: Mapping[str, Any]) -> bool:
        self.call_id = data.get("responseId") or self.call_id
        self.model = data.get("modelVersion") or self.model
        self._count(data.get("usageMetadata"))
        self._wrote(*data.get("text") or ())
        self.complete = self.complete or (bool(self.usage) and bool(data.get("ended")))
        return False

    @property
    def response(self) -> dict[str, Any]:
        """The model and usage under Google's names."""
        return {"modelVersion": self.model, "usageMetadata": self.usage}
