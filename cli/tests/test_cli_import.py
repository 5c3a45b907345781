"""Files of calls, imported into a running LLMLab: each call counts once, at the right cost, or is listed as refused."""

import csv
import gzip
import json
import subprocess
import time
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmlab._ids import is_unique
from llmlab_cli import exact
from llmlab_cli.imports import files, sending, values
from llmlab_cli.imports.presets import LITELLM_VENDORS
from providers import PriceBook
from providers.formats.calls import response_fields
from tests.support.workspace import Double, Workspace

Program = Callable[..., "subprocess.CompletedProcess[str]"]

AZURE = [
    "--map",
    "timestamp=TIMESTAMP",
    "--map",
    "input_tokens=ContextTokens",
    "--map",
    "output_tokens=GeneratedTokens",
    "--set",
    "provider=openai",
    "--set",
    "model=gpt-4o",
]


def azure(path: Path, rows: int, begin: int = 0) -> Path:
    """A file like the Azure trace: calls of 1,000 + n tokens in and 10 out, every 100 ms; the first two are equal."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["TIMESTAMP", "ContextTokens", "GeneratedTokens"])
        for n in range(begin, rows):
            n -= n == 1
            writer.writerow([f"2023-11-16 18:{n // 600:02}:{n // 10 % 60:02}.{n % 10}799600", 1000 + n, 10])
    return path


def imported(llmlab: Program, *arguments: object) -> dict[str, Any]:
    """The result of an import without refused rows."""
    done = llmlab("import", *arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def total(workspace: Workspace, day: str = "2023-11-16") -> tuple[int, Decimal]:
    """Calls and USD of a day."""
    answer = workspace.ask("GET", f"/api/costs/summary?start={day}&end={day}")
    return answer["call_count"], answer["total_cost"]


def would_send(llmlab: Program, *arguments: object) -> list[dict[str, Any]]:
    """The events of a dry run."""
    done = llmlab("import", *arguments, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    result = exact.loads(done.stdout)
    assert result["refused"] == 0, result["refusals"]
    events: list[dict[str, Any]] = result["first_events"]
    return events


# Once


def test_a_trace_that_is_imported_twice_is_counted_once(llmlab: Program, signed_in: Workspace, tmp_path: Path) -> None:
    # Twice 1,000 tokens in, then 1,002 to 1,009: 10,044 * 2.50 + 100 * 10 = 26,110 millionths.
    first = imported(llmlab, azure(tmp_path / "trace.csv", 10), *AZURE)
    assert (first["rows"], first["recorded"], first["duplicates"]) == (10, 10, 0)
    assert total(signed_in) == (10, Decimal("0.02611"))
    again = imported(llmlab, tmp_path / "trace.csv", *AZURE)
    assert (again["recorded"], again["duplicates"]) == (0, 10)
    # A row is known by its content, wherever it stands: in another file, a longer one, with other settings.
    imported(llmlab, azure(tmp_path / "end.csv", 10, 5), *AZURE, "--set", "project=late")
    longer = imported(llmlab, azure(tmp_path / "longer.csv", 12), *AZURE)
    assert (longer["recorded"], longer["duplicates"]) == (2, 10)
    assert total(signed_in)[0] == 12


def test_ctrl_c_ends_an_import_and_the_next_one_resumes(
    llmlab: Program, signed_in: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = azure(tmp_path / "trace.csv", 60)
    monkeypatch.setattr(sending, "BATCH_EVENTS", 20)
    post, posted = httpx.Client.post, []

    def interrupted(client: httpx.Client, *arguments: Any, **options: Any) -> httpx.Response:
        posted.append(1)
        answer = post(client, *arguments, **options)
        if len(posted) == 2:
            # LLMLab has the batch, but its answer was not read.
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(httpx.Client, "post", interrupted)
    done = llmlab("import", trace, *AZURE)
    assert (done.returncode, done.stdout) == (130, "")
    assert "Run the same command again to resume the import.\n" in done.stderr
    (note,) = (tmp_path / ".local" / "state" / "llmlab" / "imports").iterdir()
    assert json.loads(note.read_text())["rows"] == 20
    assert note.stat().st_mode & 0o777 == 0o600
    rest = imported(llmlab, trace, *AZURE)
    assert (rest["resumed_after"], rest["recorded"], rest["duplicates"]) == (20, 20, 20)
    assert total(signed_in)[0] == 60
    assert not note.exists()


def test_a_changed_file_is_read_from_the_start(
    llmlab: Program, signed_in: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "BATCH_EVENTS", 20)
    monkeypatch.setattr(sending, "PATIENCE_SECONDS", 0)
    trace = azure(tmp_path / "trace.csv", 50)
    answer, answered = sending.Sender._answer, []

    def broken(sender: sending.Sender, body: bytes) -> Any:
        answered.append(1)
        if len(answered) == 2:
            raise KeyboardInterrupt
        return answer(sender, body)

    monkeypatch.setattr(sending.Sender, "_answer", broken)
    assert llmlab("import", trace, *AZURE).returncode == 130
    azure(trace, 50, 10)
    done = llmlab("import", trace, *AZURE, "--json")
    assert "has changed" in done.stderr
    assert json.loads(done.stdout)["recorded"] == 30
    assert total(signed_in)[0] == 50


def test_it_waits_as_long_as_llmlab_asks(
    llmlab: Program, double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setenv("LLMLAB_URL", double.url)
    monkeypatch.setenv("LLMLAB_API_KEY", "llmlab_sk_local")
    double.answers = [(429, {"Retry-After": "7"}, b"{}"), (503, {"Retry-After": "2"}, b"{}"), (502, {}, b"")]
    done = llmlab("import", azure(tmp_path / "trace.csv", 3), *AZURE)
    assert done.returncode == 0
    assert waited == [7, 4, 8]
    assert len(double.batches()) == 4
    assert len(set(double.batches())) == 1
    double.answers = [(503, {}, b"{}")] * 50
    done = llmlab("import", azure(tmp_path / "trace.csv", 3), *AZURE)
    assert done.returncode == 4
    assert 60 <= sum(waited[3:]) <= 80


def test_a_key_that_may_not_send_ends_it_at_once(
    llmlab: Program, signed_in: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = signed_in.ask("POST", "/api/keys", {"name": "reader", "scopes": ["read"]})["key"]
    monkeypatch.setenv("LLMLAB_API_KEY", key)
    assert llmlab("import", azure(tmp_path / "trace.csv", 3), *AZURE).returncode == 3


# Refused rows and files


def test_invalid_rows_are_listed_and_the_others_are_recorded(
    llmlab: Program, signed_in: Workspace, tmp_path: Path
) -> None:
    file = tmp_path / "calls.csv"
    file.write_text(
        "timestamp,model,input_tokens,output_tokens,cache_read_tokens,status\n"
        "2023-11-16T10:00:00Z,gpt-4o,1000,500,,\n"
        "2023-11-16T10:00:01Z,gpt-4o,many,500,,\n"
        "2023-11-16T10:00:02Z,gpt-4o,10,5,20,\n"
        "2023-11-16T10:00:03Z,gpt-4o,,,,\n"
        "2023-11-16T10:00:04Z,gpt-4o,,,,error\n"
        "2023-11-16T10:00:05Z,,1,1,,\n"
        "yesterday,gpt-4o,1,1,,\n"
        "2023-11-16T10:00:07Z,gpt-4o,1\n"
    )
    done = llmlab("import", file, "--json")
    assert done.returncode == 5
    result = json.loads(done.stdout)
    assert (result["rows"], result["recorded"], result["refused"]) == (8, 2, 6)
    reasons = {refusal["row"]: refusal["detail"] for refusal in result["refusals"]}
    assert reasons[2] == "input_tokens: 'many' is not a number"
    assert reasons[3].startswith("The cached part of the prompt (20 tokens) is larger than input_tokens (10)")
    assert reasons[4].startswith("token counts are missing")
    assert reasons[6] == "the model is missing"
    assert reasons[7] == "timestamp: 'yesterday' is not a timestamp"
    assert reasons[8] == "the row has 3 fields, but the header has 6"
    assert total(signed_in) == (2, Decimal("0.0075"))
    done = llmlab("import", file)
    assert "Row 2: input_tokens: 'many' is not a number\n" in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("x.csv", b"a,b\n\xff\xfe,1\n", "The file is not UTF-8 text."),
        ("x.csv", b'a,b\n"x"y,1\n', "Line 2 is not valid CSV: ',' expected after '\"'."),
        ("x.csv", b"a,a\n1,2\n", "Two columns have the same name."),
        ("x.csv", b'a,b\n"' + b"x" * 3000 + b'",1\n', "Line 2 is longer than 2,000 characters."),
        (
            "x.csv",
            b'a,b\n"' + b"x\n" * 1500 + b'",1\n',
            "Line 1002 is not valid CSV: field larger than field limit (2000).",
        ),
        ("x.jsonl", b'{"a": "' + b"x" * 3000 + b'"}\n', "Line 1 is longer than 2,000 characters."),
        ("x.json", b'[{"a": "' + b"x" * 300_000 + b'"}]', "A value is longer than 2,000 characters."),
        ("x.json", b'[{"a": 1}', "The file is not valid JSON: ']' is missing."),
        ("x.json", b'[{"a": 1}, {"a"', "The file is not valid JSON, or it is truncated."),
        ("x.json", b"7", "The file contains neither a JSON array nor a JSON object."),
        ("x.csv.gz", b"not packed", "The file cannot be read: Not a gzipped file (b'no')."),
    ],
)
def test_files_that_cannot_be_read_are_refused(
    name: str, content: bytes, why: str, llmlab: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LONGEST_ROW", 2000)
    file = tmp_path / name
    file.write_bytes(content)
    done = llmlab("import", file, "--dry-run", "--format", name.split(".")[1])
    assert (done.returncode, done.stderr) == (1, f"Error: {file}: {why}\n")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    for name, before, row, between, after in (
        ("x.json", '{"data": [', json.dumps({"a": "x" * 1000}), ",\n", "]}"),
        ("x.jsonl", "", json.dumps({"a": "x" * 1000}), "\n", ""),
        ("x.csv", "a,b\n", f"{'x' * 1000},1", "\n", "\n"),
    ):
        (tmp_path / name).write_text(before + between.join([row] * 8000) + after)
        tracemalloc.start()
        with files.opened(tmp_path / name) as text:
            read = sum(1 for _ in files.rows(text, files.format_of(tmp_path / name), frozenset({"data"})))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert read == 8000
        assert peak < 2_000_000 < (tmp_path / name).stat().st_size


# How files are written


def test_every_file_format_gives_the_same_calls(llmlab: Program, tmp_path: Path) -> None:
    calls = [
        {
            "timestamp": "2023-11-16T10:00:00Z",
            "model": "gpt-4o",
            "input_tokens": n,
            "output_tokens": 5,
            "id": f"call-{n}",
        }
        for n in (10, 20)
    ]
    table = "\n".join([";".join(calls[0]), *(";".join(map(str, row.values())) for row in calls)])
    written = {
        "a.csv": "\ufeff" + table,
        "b.tsv": table.replace(";", "\t"),
        "c.jsonl": "\n\n".join(map(json.dumps, calls)),
        "d.json": json.dumps(calls, indent=1),
        "e.json": json.dumps({"count": 2, "events": calls, "next": None}),
        "f": json.dumps(calls),
        "g": "\n".join(map(json.dumps, calls)),
        "h": table,
    }
    found = []
    for name, text in written.items():
        (tmp_path / name).write_text(text)
        found.append(would_send(llmlab, tmp_path / name))
    (tmp_path / "i.csv.gz").write_bytes(gzip.compress(table.encode()))
    found.append(would_send(llmlab, tmp_path / "i.csv.gz"))
    assert found[0] == [
        {
            "provider": "openai",
            "model": "gpt-4o",
            "status": "success",
            "input_tokens": n,
            "output_tokens": 5,
            "timestamp": "2023-11-16T10:00:00.000000Z",
            "id": f"call-{n}",
        }
        for n in (10, 20)
    ]
    assert all(events == found[0] for events in found)


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("2023-11-16 18:17:03.9799600", "2023-11-16T18:17:03.979960"),
        ("2023-11-16T18:17:03+02:00", "2023-11-16T16:17:03"),
        ("2023-11-16 18:17:03.5 UTC", "2023-11-16T18:17:03.500000"),
        ("2023-11-16", "2023-11-16T00:00:00"),
        ("1700158623", "2023-11-16T18:17:03"),
        (1700158623979, "2023-11-16T18:17:03.979000"),
        ("1700158623979960", "2023-11-16T18:17:03.979960"),
        (Decimal("1700158623.97996"), "2023-11-16T18:17:03.979960"),
    ],
)
def test_times_are_read_as_they_are_written(written: Any, means: str) -> None:
    assert values.moment(written) == datetime.fromisoformat(means).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize("written", ["2023-13-01", "16.11.2023", "soon", True, "1e400"])
def test_invalid_timestamps_are_refused(written: Any) -> None:
    with pytest.raises(values.InvalidValue, match="is not a timestamp"):
        values.moment(written)


def test_columns_may_lie_within_others(llmlab: Program, tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    row = {"at": 1700158623, "usage": {"in": 10, "out": 5}, "who": '{"team": "web"}', "a.b": "gpt-4o", "ms": 12.5}
    file.write_text(json.dumps(row))
    maps = ["timestamp=at", "input_tokens=usage.in", "output_tokens=usage.out", "tag.team=who.team", "model=a.b"]
    arguments = [word for pair in maps for word in ("--map", pair)]
    (event,) = would_send(
        llmlab, file, *arguments, "--map", "latency_ms=ms", "--set", "metadata.run=7", "--set", "tag.env=prod"
    )
    assert (event["model"], event["input_tokens"], event["output_tokens"], event["latency_ms"]) == (
        "gpt-4o",
        10,
        5,
        Decimal("12.5"),
    )
    assert (event["tags"], event["metadata"]) == ({"team": "web", "env": "prod"}, {"run": "7"})
    assert llmlab("import", file, "--map", "price=ms").returncode == 2
    assert llmlab("import", file, "--set", "model").returncode == 2


# Costs


def test_llmlabs_price_overrides_the_files_unless_that_is_trusted(
    llmlab: Program, signed_in: Workspace, tmp_path: Path
) -> None:
    file = tmp_path / "calls.csv"
    file.write_text(
        "timestamp,provider,model,input_tokens,output_tokens,cost\n"
        "2023-11-16T10:00:00Z,openai,gpt-4o,1000,500,$9\n"
        "2023-11-16T10:00:00Z,acme,in-house-1,1000,500,0.0000012345678901234\n"
        "2023-11-16T10:00:00Z,acme,in-house-2,1000,500,0\n"
    )
    imported(llmlab, file)
    found = {event["model"]: (event["cost"], event["pricing"]) for event in signed_in.events()}
    assert found["gpt-4o"][0] == Decimal("0.0075")
    assert found["in-house-1"][0] == Decimal("0.0000012345678901234").quantize(Decimal("1e-15"))
    # Many programs write 0 where they have no price.
    assert found["in-house-2"] == (None, "unpriced")
    file.write_text(file.read_text().replace("10:00", "11:00"))
    imported(llmlab, file, "--trust-costs")
    trusted = [event for event in signed_in.events() if event["timestamp"] == "2023-11-16T11:00:00Z"]
    assert {event["model"]: event["cost"] for event in trusted}["gpt-4o"] == 9
    assert {event["model"]: event["cost"] for event in trusted}["in-house-2"] == 0
    assert {event["pricing"] for event in trusted} == {"caller"}


def test_input_tokens_without_cached_tokens_can_be_declared(
    llmlab: Program, signed_in: Workspace, tmp_path: Path
) -> None:
    file = tmp_path / "calls.csv"
    file.write_text(
        "timestamp,model,input_tokens,output_tokens,cache_read_tokens\n2023-11-16,claude-sonnet-4-5,200,50,1000\n"
    )
    imported(llmlab, file, "--input-without-cache")
    event = signed_in.event()
    assert (event["provider"], event["input_tokens"], event["cache_read_tokens"]) == ("anthropic", 1200, 1000)


# The programs whose files are known


LITELLM = {
    "request_id": "chatcmpl-0123456789abcdef",
    "call_type": "acompletion",
    "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
    "spend": 0.00744,
    "total_tokens": 2306,
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "startTime": "2023-11-16T10:00:00.000Z",
    "endTime": "2023-11-16T10:00:01.250Z",
    "model": "gpt-4o",
    "custom_llm_provider": "openai",
    "cache_hit": "False",
    "status": "success",
    "request_tags": [],
    "metadata": {
        "user_api_key_alias": "search",
        "additional_usage_values": {
            "prompt_tokens_details": {"cached_tokens": 1920},
            "completion_tokens_details": {"reasoning_tokens": 64},
        },
    },
}


def test_spend_logs_of_litellm(llmlab: Program, signed_in: Workspace, tmp_path: Path) -> None:
    rows = [
        LITELLM,
        {**LITELLM, "request_id": "failed", "status": "failure", "prompt_tokens": 0, "completion_tokens": 0}
        | {"spend": 0, "metadata": {}},
        {**LITELLM, "request_id": "cached", "cache_hit": "True"},
        {**LITELLM, "request_id": "files", "call_type": "afile_list", "prompt_tokens": 0, "completion_tokens": 0}
        | {"spend": 0, "metadata": {}},
    ]
    (tmp_path / "logs.json").write_text(json.dumps(rows))
    result = imported(llmlab, tmp_path / "logs.json", "--from", "litellm")
    assert (result["recorded"], result["skipped"]) == (3, 1)
    found = {event["status"]: event for event in signed_in.events() if event["cost"] or event["status"] == "error"}
    # 86*2.50 + 1920*1.25 + 300*10.00 = 5,615
    event = found["success"]
    assert (event["cost"], event["latency_ms"], event["tags"]) == (Decimal("0.005615"), 1250, {"key": "search"})
    assert (event["input_tokens"], event["cache_read_tokens"], event["reasoning_tokens"]) == (2006, 1920, 64)
    assert total(signed_in) == (3, Decimal("0.005615"))
    # The table as CSV holds JSON in its columns, and the same calls.
    with (tmp_path / "logs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(LITELLM))
        writer.writeheader()
        writer.writerows({**row, "metadata": json.dumps(row["metadata"])} for row in rows)
    assert imported(llmlab, tmp_path / "logs.csv", "--from", "litellm")["duplicates"] == 3


def test_a_call_that_litellm_has_sent_itself_is_counted_once(
    llmlab: Program, signed_in: Workspace, tmp_path: Path
) -> None:
    payload = {
        "id": LITELLM["request_id"],
        "custom_llm_provider": "openai",
        "model": "gpt-4o",
        "status": "success",
        "startTime": 1700128800.0,
        "endTime": 1700128801.25,
        "prompt_tokens": 2006,
        "completion_tokens": 300,
        "metadata": {},
    }
    signed_in.ask("POST", "/api/ingest/litellm", [payload])
    (tmp_path / "logs.jsonl").write_text(json.dumps(LITELLM))
    assert imported(llmlab, tmp_path / "logs.jsonl", "--from", "litellm")["duplicates"] == 1


def test_ids_and_vendors_are_those_of_the_server() -> None:
    assert {name: PriceBook().provider_id(name) for name in LITELLM_VENDORS} == LITELLM_VENDORS
    for id in (None, *("x" * length for length in (0, 1, 15, 16, 1024, 1025))):
        assert is_unique(id) == ("response_id" in response_fields(id, None))


def test_observations_of_langfuse(llmlab: Program, tmp_path: Path) -> None:
    base = {"startTime": "2023-11-16T10:00:00.000Z", "endTime": "2023-11-16T10:00:02.500Z", "type": "GENERATION"}
    rows = [
        {**base, "id": "o1", "model": "gpt-4o", "level": "DEFAULT", "calculatedTotalCost": 0.0056}
        # Parts of a whole: 86 + 1,920 in, 236 + 64 out.
        | {"usageDetails": {"input": 86, "input_cached_tokens": 1920, "output": 236, "output_reasoning_tokens": 64}},
        # The parts are in the whole already, as the total says.
        {**base, "id": "o2", "providedModelName": "gpt-4o", "level": "ERROR"}
        | {"usageDetails": {"input": 2006, "input_cached_tokens": 1920, "output": 300, "total": 2306}},
        {**base, "id": "o3", "model": "claude-sonnet-4-5", "environment": "production"}
        | {
            "usageDetails": {
                "input": 12,
                "cache_read_input_tokens": 2000,
                "cache_creation_input_tokens": 1000,
                "output": 9,
            }
        },
        {**base, "id": "o4", "type": "SPAN", "model": None},
        {"id": "o5", "type": "GENERATION", "start_time": "2024-05-29 13:46:19.963000", "provided_model_name": "gpt-4o"}
        | {"usage_details": '{"input":10,"output":5,"total":15}', "total_cost": "0.01"},
    ]
    (tmp_path / "observations.jsonl").write_text("\n".join(map(json.dumps, rows)))
    one, two, three, five = would_send(llmlab, tmp_path / "observations.jsonl", "--from", "langfuse")
    counts = {"input_tokens": 2006, "output_tokens": 300, "cache_read_tokens": 1920}
    assert one.items() >= {**counts, "reasoning_tokens": 64, "id": "o1", "provider": "openai"}.items()
    assert (one["latency_ms"], one["fallback_cost"]) == (Decimal("2500.0"), "0.0056")
    assert two.items() >= {**counts, "status": "error"}.items()
    assert (
        three.items()
        >= {
            "provider": "anthropic",
            "input_tokens": 3012,
            "cache_read_tokens": 2000,
            "cache_write_tokens": 1000,
            "output_tokens": 9,
            "tags": {"environment": "production"},
        }.items()
    )
    assert (five["input_tokens"], five["output_tokens"], five["fallback_cost"]) == (10, 5, "0.01")
    assert five["timestamp"] == "2024-05-29T13:46:19.963000Z"


def test_requests_of_helicone(llmlab: Program, tmp_path: Path) -> None:
    base = {
        "request_created_at": "2023-11-16T10:00:00.000Z",
        "response_status": 200,
        "delay_ms": 840,
        "cache_reference_id": "00000000-0000-0000-0000-000000000000",
    }
    rows = [
        {**base, "request_id": "r1", "provider": "OPENAI", "response_model": "gpt-4o", "cost": 0.005}
        | {"prompt_tokens": 2006, "completion_tokens": 300, "prompt_cache_read_tokens": 1920}
        | {"request_properties": {"Team": "web", "Helicone-Session-Id": "s"}},
        {**base, "request_id": "r2", "provider": "ANTHROPIC", "model": "claude-sonnet-4-5"}
        | {
            "prompt_tokens": 12,
            "completion_tokens": 9,
            "prompt_cache_read_tokens": 2000,
            "prompt_cache_write_tokens": 1000,
        },
        {**base, "request_id": "r3", "provider": "OPENAI", "model": "gpt-4o", "response_status": 429},
        {**base, "request_id": "r4", "provider": "OPENAI", "model": "gpt-4o", "cache_reference_id": "r1"}
        | {"prompt_tokens": 2006, "completion_tokens": 300},
    ]
    (tmp_path / "requests.json").write_text(json.dumps(rows))
    one, two, three, four = would_send(llmlab, tmp_path / "requests.json", "--from", "helicone")
    assert (
        one.items()
        >= {
            "provider": "openai",
            "input_tokens": 2006,
            "cache_read_tokens": 1920,
            "latency_ms": Decimal("840.0"),
            "fallback_cost": "0.005",
            "tags": {"team": "web"},
            "id": "r1",
        }.items()
    )
    assert two.items() >= {"input_tokens": 3012, "cache_read_tokens": 2000, "cache_write_tokens": 1000}.items()
    assert three.items() >= {"status": "error", "error_message": "HTTP 429", "input_tokens": 0}.items()
    assert (four["cost"], "fallback_cost" in four) == ("0", False)


OPENAI = (
    "start_time,end_time,start_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,service_tier,"
    "input_tokens,output_tokens,input_cached_tokens,input_audio_tokens\n"
    "1700092800,1700179200,2023-11-16T00:00:00+00:00,proj_1,3.0,user-1,key_1,gpt-4o-2024-08-06,FALSE,default,"
    "3001.0,1499.0,100.0,0.0\n"
    "1700092800,1700179200,2023-11-16T00:00:00+00:00,proj_1,1.0,user-1,key_1,gpt-4o-2024-08-06,TRUE,default,"
    "1000.0,500.0,0.0,0.0\n"
    "1700092800,1700179200,2023-11-16T00:00:00+00:00,,,,,,,,,,,\n"
    "1700092800,4102444800,2023-11-16T00:00:00+00:00,proj_1,9.0,user-1,key_1,gpt-4o-2024-08-06,FALSE,default,"
    "9.0,9.0,0.0,0.0\n"
)


def test_usage_of_openai_becomes_as_many_calls_as_it_counts(
    llmlab: Program, signed_in: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "usage.csv").write_text(OPENAI)
    result = imported(llmlab, tmp_path / "usage.csv", "--from", "openai")
    # A day without requests, and one that is not over.
    assert (result["rows"], result["recorded"], result["skipped"]) == (4, 4, 2)
    priced = [event for event in signed_in.events() if event["cost"] is not None]
    counts = sorted((event["input_tokens"], event["output_tokens"]) for event in priced)
    assert counts == [(1000, 499), (1000, 500), (1001, 500)]
    # 2901*2.50 + 100*1.25 + 1499*10.00 = 22,367.5 for the first line. Batches have no list price.
    assert total(signed_in) == (4, Decimal("0.0223675"))
    (batch,) = [event for event in signed_in.events() if event["cost"] is None]
    assert batch["model"] == "gpt-4o-2024-08-06 (batch)"
    # The answer of the API has the same rows, which count once.
    first, second = list(csv.DictReader(OPENAI.splitlines()))[:2]
    whole = [
        {
            name: None
            if value == ""
            else value == "TRUE"
            if name == "batch"
            else int(Decimal(value))
            if name.endswith(("tokens", "requests"))
            else value
            for name, value in row.items()
            if "time" not in name
        }
        for row in (first, second)
    ]
    page = {"object": "page", "data": [{"start_time": 1700092800, "end_time": 1700179200, "results": whole}]}
    (tmp_path / "usage.json").write_text(json.dumps(page))
    assert imported(llmlab, tmp_path / "usage.json", "--from", "openai")["recorded"] == 0


def test_days_of_ccusage_keep_its_costs(llmlab: Program, signed_in: Workspace, tmp_path: Path) -> None:
    part = {"modelName": "claude-sonnet-4-5-20250929", "inputTokens": 1200, "outputTokens": 800}
    part |= {"cacheCreationTokens": 50_000, "cacheReadTokens": 900_000, "cost": 0.47310000000000002}
    day = {"date": "2023-11-16", "totalCost": 0.4731, "modelsUsed": [], "modelBreakdowns": [part]}
    today = {**day, "date": datetime.now(timezone.utc).astimezone().date().isoformat()}
    (tmp_path / "ccusage.json").write_text(json.dumps({"daily": [day, today], "totals": {"totalCost": 1}}, indent=2))
    result = imported(llmlab, tmp_path / "ccusage.json", "--from", "ccusage")
    assert (result["recorded"], result["skipped"]) == (1, 1)
    event = signed_in.event()
    assert (event["cost"], event["pricing"], event["timestamp"]) == (
        Decimal("0.4731"),
        "caller",
        "2023-11-16T12:00:00Z",
    )
    assert (event["provider"], event["input_tokens"]) == ("anthropic", 951_200)
    assert imported(llmlab, tmp_path / "ccusage.json", "--from", "ccusage")["duplicates"] == 1
    assert llmlab("import", tmp_path / "ccusage.json", "--dry-run").returncode == 0


def test_an_export_of_llmlab_can_be_imported_again(llmlab: Program, signed_in: Workspace, tmp_path: Path) -> None:
    imported(llmlab, azure(tmp_path / "trace.csv", 10), *AZURE, "--set", "tag.team=web")
    for form in ("csv", "jsonl"):
        target = tmp_path / f"events.{form}"
        assert llmlab("export", "events", "-o", target, "--format", form).returncode == 0
        assert imported(llmlab, target)["duplicates"] == 10
        assert would_send(llmlab, target)[0]["tags"] == {"team": "web"}
