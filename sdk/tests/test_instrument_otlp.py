"""The same calls recorded twice in one process: by the SDK, and by OpenTelemetry instrumentation and exporter."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.product import PATIENCE, ROOT, environment
from tests.support.vendors import Vendors
from tests.support.workspace import Workspace


@pytest.mark.parametrize("order", ["sdk-first", "sdk-last"])
@pytest.mark.parametrize(
    ("instrumentation", "provider", "cost"),
    [
        # A whole answer and a stream of 0.005615 USD each.
        ("openllmetry-openai", "openai", Decimal("0.01123")),
        ("openinference-openai", "openai", Decimal("0.01123")),
        ("openllmetry-anthropic", "anthropic", Decimal("0.015")),
    ],
)
def test_a_call_that_arrives_by_the_sdk_and_by_otlp_is_counted_once(
    instrumentation: str, provider: str, cost: Decimal, order: str, workspace: Workspace, tmp_path: Path
) -> None:
    variables = environment(
        PYTHONPATH="sdk",
        OTEL_EXPORTER_OTLP_ENDPOINT=workspace.url,
        OTEL_EXPORTER_OTLP_HEADERS=f"Authorization=Bearer%20{workspace.key}",
        LLMLAB_URL=workspace.url,
        LLMLAB_API_KEY=workspace.key,
        LLMLAB_SPOOL_DIR=str(tmp_path / "spool"),
        # The SDK sends when each call is over, the exporter after all of them.
        LLMLAB_FLUSH_INTERVAL="0.01",
    )
    with Vendors("Hello") as vendors:
        command = [sys.executable, "-m", "tests.support.instrumented", instrumentation, vendors.url, order]
        done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    events = workspace.events()
    if provider == "openai":
        # Both record every call. A refused call has no id, so it is recorded twice.
        assert sorted("span_id" in event["metadata"] for event in events if event["status"] == "error") == [False, True]
    good = [event for event in events if event["status"] == "success"]
    assert len(good) == len(vendors.ids) == 2
    for id in vendors.ids:
        assert workspace.ask("GET", f"/api/events/{id}")["status"] == "success"
    total = workspace.ask("GET", "/api/costs/summary?days=1")["total_cost"]
    # The first record of a stream counts: OpenLLMetry counts one token of Anthropic's twice.
    assert total in (cost, cost + Decimal("0.000015"))
