"""LiteLLM as a library or a proxy, with its callbacks for OpenTelemetry and for any HTTP API.

run.py library|proxy otel|generic_api|both
"""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from calling import KEY, LLMLAB, QUESTION, REFUSED, VENDOR
from relay import Relay

how, callbacks = sys.argv[1:]
relay = Relay(LLMLAB)
names = ["otel", "generic_api"] if callbacks == "both" else [callbacks]
os.environ |= {
    "OTEL_EXPORTER": "otlp_http",
    "OTEL_ENDPOINT": f"{relay.url}/v1/traces",
    "OTEL_HEADERS": f"Authorization=Bearer {KEY}",
    "GENERIC_LOGGER_ENDPOINT": f"{relay.url}/api/ingest/litellm",
    "GENERIC_LOGGER_HEADERS": f"Authorization=Bearer {KEY}",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_REGION_NAME": "us-east-1",
    "AWS_REGION": "us-east-1",
    "OPENAI_API_KEY": "sk-proj-local",
    "ANTHROPIC_API_KEY": "sk-ant-local",
    "GEMINI_API_KEY": "local",
}
# LiteLLM takes the endpoint from its own variables.
for name in [name for name in os.environ if name.startswith("OTEL_EXPORTER_OTLP_")]:
    del os.environ[name]

BEDROCK = "anthropic.claude-sonnet-4-5-20250929-v1:0"
MODELS = {
    "gpt": {"model": "openai/gpt-4o", "api_base": f"{VENDOR}/v1"},
    "thinker": {"model": "openai/gpt-5", "api_base": f"{VENDOR}/v1"},
    "claude": {"model": "anthropic/claude-sonnet-4-5", "api_base": VENDOR},
    "gemini": {"model": "gemini/gemini-2.5-flash", "api_base": f"{VENDOR}/v1beta/models/gemini-2.5-flash"},
    "bedrock": {"model": f"bedrock/converse/{BEDROCK}", "aws_bedrock_runtime_endpoint": VENDOR},
    "embedder": {"model": "openai/text-embedding-3-small", "api_base": f"{VENDOR}/v1"},
}
# With the failed one, the one that fills LiteLLM's cache and the one that it answers.
CALLS = 12
MESSAGES = [{"role": "user", "content": QUESTION}]
FAILING = [{"role": "user", "content": REFUSED}]


def library() -> None:
    import litellm

    litellm.callbacks = list(names)

    async def calls() -> None:
        for name in ("gpt", "claude", "gemini", "bedrock"):
            await litellm.acompletion(messages=MESSAGES, num_retries=0, **MODELS[name])
        options = {"stream": True, "stream_options": {"include_usage": True}}
        for name in ("gpt", "claude", "gemini"):
            async for _ in await litellm.acompletion(messages=MESSAGES, num_retries=0, **options, **MODELS[name]):
                pass
        await litellm.aresponses(input=QUESTION, **MODELS["thinker"])
        await litellm.aembedding(input=[QUESTION], **MODELS["embedder"])
        try:
            await litellm.acompletion(messages=FAILING, num_retries=0, **MODELS["gpt"])
        except litellm.BadRequestError:
            print("refused")
        # An answer from LiteLLM's cache is no call of the vendor.
        litellm.cache = litellm.Cache()
        for _ in range(2):
            await litellm.acompletion(messages=MESSAGES, caching=True, num_retries=0, **MODELS["gpt"])
            # It fills its cache after the answer.
            await asyncio.sleep(1)
        await asyncio.to_thread(relay.wait, CALLS, names)

    asyncio.run(calls())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def proxy() -> None:
    import json

    import openai

    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = {
            "model_list": [
                {"model_name": alias, "litellm_params": {**params, "num_retries": 0}}
                for alias, params in MODELS.items()
            ],
            "litellm_settings": {
                "callbacks": names,
                "cache": True,
                "cache_params": {"type": "local", "mode": "default_off"},
                "num_retries": 0,
            },
            "general_settings": {"master_key": "sk-local"},
            "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        }
        # JSON is YAML.
        path = Path(folder) / "config.yaml"
        path.write_text(json.dumps(config))
        command = [str(Path(sys.executable).parent / "litellm"), "--config", str(path), "--port", str(port)]
        log = (Path(folder) / "log").open("wb")
        process = subprocess.Popen([*command, "--host", "127.0.0.1"], stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            end = time.monotonic() + 600
            while True:
                try:
                    urllib.request.urlopen(f"{url}/health/liveliness", timeout=60).read()  # noqa: S310
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > end:
                        print((Path(folder) / "log").read_text())
                        raise
                    time.sleep(0.5)
            client = openai.OpenAI(base_url=f"{url}/v1", api_key="sk-local", max_retries=0, timeout=300)
            for alias in ("gpt", "claude", "gemini", "bedrock"):
                client.chat.completions.create(model=alias, messages=MESSAGES)
            options = {"stream": True, "stream_options": {"include_usage": True}}
            for alias in ("gpt", "claude", "gemini"):
                list(client.chat.completions.create(model=alias, messages=MESSAGES, **options))
            client.responses.create(model="thinker", input=QUESTION)
            client.embeddings.create(model="embedder", input=QUESTION)
            try:
                client.chat.completions.create(model="gpt", messages=FAILING)
            except openai.BadRequestError:
                print("refused")
            # The second answer is from LiteLLM's cache.
            cached = {"extra_body": {"cache": {"use-cache": True}}}
            for _ in range(2):
                client.chat.completions.create(model="gpt", messages=MESSAGES, **cached)
                # It fills its cache after the answer.
                time.sleep(1)
            relay.wait(CALLS, names)
        finally:
            process.terminate()
            process.wait(120)


library() if how == "library" else proxy()
