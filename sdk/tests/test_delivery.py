"""Events are neither lost nor counted twice: while LLMLab is unreachable, with a full queue, after forks, at exit."""

import gc
import json
import stat
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import llmlab
from llmlab import _runtime
from llmlab._spool import Spool
from programs import run, started
from tests.support.product import Server
from tests.support.workspace import Double, Workspace

Configure = Callable[..., None]


def log(number: int, **facts: Any) -> str | None:
    """Logs a call that costs 0.0000025 USD."""
    return llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=0, metadata={"n": number}, **facts)


def lines(spool: Path) -> list[dict[str, Any]]:
    """The events on disk, oldest first."""
    return [json.loads(line) for path in sorted(spool.glob("*/*")) for line in path.read_text().splitlines()]


# While LLMLab is unreachable


def test_an_llmlab_that_stops_for_a_while_gets_every_call_once(own_server: Server, spool: Path) -> None:
    workspace = Workspace(own_server.url)
    llmlab.configure(api_key=workspace.key, base_url=own_server.url, spool_dir=spool, flush_interval=0.05)
    stopping: threading.Thread | None = None
    for number in range(10_000):
        if number == 3_000:
            # Stops while events are being sent.
            stopping = threading.Thread(target=own_server.stop)
            stopping.start()
        if number == 7_000:
            assert stopping is not None
            stopping.join()
            llmlab.flush()
            assert llmlab.stats().on_disk > 0
            own_server.start()
        with llmlab.track("openai", "gpt-4o", metadata={"n": number}) as call:
            call.usage(1, 0)
        if number % 100 == 0:
            time.sleep(0.01)
    assert llmlab.flush(60)
    assert workspace.count() == 10_000
    assert llmlab.stats() == (10_000, 0, llmlab.stats().on_disk, 0, 0, 0, 0)
    assert lines(spool) == []


def test_events_wait_on_disk_in_order_and_only_for_their_owner(
    configure: Configure, nowhere: str, spool: Path, workspace: Workspace
) -> None:
    configure(base_url=nowhere)
    for number in range(20):
        log(number)
    assert not llmlab.flush()
    assert [event["metadata"]["n"] for event in lines(spool)] == list(range(20))
    (folder,) = spool.iterdir()
    (segment,) = [path for path in folder.iterdir() if path.stat().st_size]
    assert stat.S_IMODE(spool.stat().st_mode) == stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(segment.stat().st_mode) == 0o600
    assert workspace.key not in segment.read_text()
    assert workspace.key not in str(folder)


def test_what_is_on_disk_is_sent_first_and_in_order(double: Double, configure: Configure, spool: Path) -> None:
    double.answers = [(503, {}, b"{}")]
    configure(base_url=double.url, flush_interval=60)
    log(0)
    assert not llmlab.flush()
    assert [event["metadata"]["n"] for event in lines(spool)] == [0]
    log(1)
    assert llmlab.flush()
    sent = [json.loads(body[body.index(b'{"events"') :])["events"] for body in double.batches()]
    assert [[event["metadata"]["n"] for event in batch] for batch in sent] == [[0], [0], [1]]
    assert sent[0] == sent[1]
    assert lines(spool) == []


def test_retry_after_is_respected(
    double: Double, configure: Configure, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.answers = [(429, {"Retry-After": "7"}, b"{}")]
    configure(base_url=double.url)
    runtime = _runtime.current()
    assert runtime is not None
    log(0)
    assert not llmlab.flush()
    assert 6 < runtime.outbox._away_until - time.monotonic() <= 7
    assert (llmlab.stats().waiting, len(lines(spool))) == (0, 1)
    assert llmlab.flush()
    assert len(double.batches()) == 2


def test_backoff_grows_with_jitter(nowhere: str, configure: Configure) -> None:
    configure(base_url=nowhere)
    runtime = _runtime.current()
    assert runtime is not None
    pauses = []
    for number in range(12):
        log(number)
        assert not llmlab.flush()
        pauses.append(runtime.outbox._away_until - time.monotonic())
    assert pauses[0] < 0.5 < 12 < pauses[-1] <= 30
    assert len({round(pause, 2) for pause in pauses[-4:]}) > 1


def test_a_refused_key_loses_nothing(configure: Configure, workspace: Workspace, spool: Path) -> None:
    configure(api_key="llmlab_sk_wrong")
    log(0)
    assert not llmlab.flush()
    assert len(lines(spool)) == 1


def test_events_of_an_ended_process_are_sent_by_the_next(
    workspace: Workspace, spool: Path, nowhere: str, configure: Configure
) -> None:
    code = """
        import llmlab
        for number in range(50):
            llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=0)
    """
    # The spool belongs to a URL; the server there may change.
    environment = {"LLMLAB_API_KEY": workspace.key, "LLMLAB_SPOOL_DIR": str(spool)}
    run(code, LLMLAB_URL=nowhere, **environment)
    assert len(lines(spool)) == 50
    (folder,) = spool.iterdir()
    configure()
    runtime = _runtime.current()
    assert runtime is not None
    folder.rename(runtime.outbox._spool._directory or "")
    log(0)
    assert llmlab.flush()
    assert workspace.count() == 51
    assert lines(spool) == []


def test_several_processes_share_the_spool_and_send_each_event_once(
    double: Double, spool: Path, tmp_path: Path
) -> None:
    target = "target"
    writer, other = (Spool(spool, 10**6, target) for _ in range(2))
    assert writer.append(b'{"n":0}')
    assert writer.append(b'{"n":1}')
    # The writer still holds the lock on its segment.
    assert list(other.replay()) == []
    writer.close()
    replaying = other.replay()
    assert next(replaying) == [b'{"n":0}', b'{"n":1}']
    assert list(writer.replay()) == []
    assert list(replaying) == []
    assert not writer.has_segments()


def test_an_incomplete_line_is_skipped(spool: Path) -> None:
    writer = Spool(spool, 10**6, "target")
    assert writer.append(b'{"n":0}')
    writer.close()
    (segment,) = spool.glob("*/*")
    with segment.open("ab") as file:
        file.write(b'{"n":')
    assert list(writer.replay()) == [[b'{"n":0}']]


def test_the_spool_is_bounded(configure: Configure, nowhere: str, spool: Path) -> None:
    configure(base_url=nowhere, spool_bytes=2_000, queue_size=30)
    for number in range(30):
        log(number)
    assert not llmlab.flush()
    assert 1_000 < sum(path.stat().st_size for path in spool.glob("*/*")) <= 2_000
    stats = llmlab.stats()
    assert (stats.on_disk + stats.waiting, stats.dropped) == (30, 0)
    for number in range(30):
        log(number)
    assert llmlab.stats().waiting <= 30
    assert llmlab.stats().dropped == 60 - stats.on_disk - 30


def test_without_a_disk_events_wait_in_memory(configure: Configure, double: Double, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    double.answers = [(500, {}, b"{}")]
    configure(base_url=double.url, spool_dir=tmp_path / "file" / "spool")
    log(0)
    assert not llmlab.flush()
    assert llmlab.stats().waiting == 1
    assert llmlab.flush()
    assert llmlab.stats()[:2] == (1, 0)


# The queue


def test_a_full_queue_drops_calls_with_a_warning_and_answers_are_returned(
    configure: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    configure(queue_size=100, flush_interval=60)
    runtime = _runtime.current()
    assert runtime is not None
    # Block the sending thread.
    held = threading.Event()
    runtime.outbox._idle = held.wait  # type: ignore[assignment]

    @llmlab.track_cost("openai", "gpt-4o")
    def call(number: int) -> tuple[int, dict[str, int]]:
        return number, {"input_tokens": 1, "output_tokens": 0}

    for number in range(1_000):
        assert call(number)[0] == number
    assert llmlab.stats().dropped == 900
    assert len([record for record in caplog.records if "queue is full" in record.getMessage()]) == 1
    held.set()
    assert llmlab.flush()
    assert llmlab.stats()[:4] == (100, 0, 0, 900)


def test_many_threads_lose_nothing(configure: Configure, workspace: Workspace) -> None:
    configure()

    def many() -> None:
        for number in range(200):
            log(number)

    threads = [threading.Thread(target=many) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert llmlab.flush()
    assert workspace.count() == 2_000


def test_calls_that_end_in_the_garbage_collector_are_recorded(configure: Configure, workspace: Workspace) -> None:
    class Forgotten:
        """Ends its call when it is garbage collected, at any point in the thread."""

        def __init__(self) -> None:
            self.itself = self
            self.call = llmlab.ObservedCall("openai", "gpt-4o")
            self.call.begin()

        def __del__(self) -> None:
            self.call.finish(usage={"input_tokens": 1, "output_tokens": 0})

    configure(flush_interval=0.001)
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for number in range(1_000):
            Forgotten()
            if number % 100 == 0:
                assert llmlab.flush(30)
    finally:
        gc.set_threshold(*before)
        gc.collect()
    assert llmlab.flush(30)
    assert workspace.count() == 1_000


def test_one_bad_event_does_not_take_others_with_it(
    configure: Configure, workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    deep: Any = "bottom"
    for _ in range(300):
        deep = [deep]
    configure()
    for number in range(20):
        log(number)
    llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=0, metadata={"deep": deep})
    llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=0, cache_read_tokens=5)
    assert llmlab.flush()
    assert workspace.count() == 20
    assert llmlab.stats().rejected == 2
    assert "LLMLab has refused" in caplog.text


def test_large_events_are_sent_in_batches_within_the_body_limit(configure: Configure, workspace: Workspace) -> None:
    configure()
    for number in range(150):
        llmlab.log_call(
            "openai", "gpt-4o", input_tokens=1, output_tokens=0, metadata={"text": "x" * 15_000, "n": number}
        )
    assert llmlab.flush()
    assert workspace.count() == 150


# Forks and exits


def test_a_child_has_its_own_events_and_the_parents_are_sent_once(workspace: Workspace, spool: Path) -> None:
    code = """
        import os, llmlab
        from llmlab import _ids
        for number in range(10):
            llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=0)
        process = _ids._process
        child = os.fork()
        assert (_ids._process == process) == bool(child)
        for number in range(7):
            llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=0)
        assert llmlab.flush()
        assert llmlab.stats().sent == (17 if child else 7), llmlab.stats()
        if child:
            assert os.waitpid(child, 0)[1] == 0
    """
    environment = {"LLMLAB_API_KEY": workspace.key, "LLMLAB_URL": workspace.url, "LLMLAB_SPOOL_DIR": str(spool)}
    run(code, LLMLAB_FLUSH_INTERVAL="60", **environment)
    assert workspace.count() == 24


def test_a_child_of_multiprocessing_sends_its_events(workspace: Workspace, spool: Path) -> None:
    code = """
        import multiprocessing, llmlab
        def work(number):
            llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=0)
        for _ in range(2):
            process = multiprocessing.get_context("fork").Process(target=work, args=(1,))
            process.start()
            process.join()
            assert process.exitcode == 0
    """
    environment = {"LLMLAB_API_KEY": workspace.key, "LLMLAB_URL": workspace.url, "LLMLAB_SPOOL_DIR": str(spool)}
    run(code, LLMLAB_FLUSH_INTERVAL="60", **environment)
    assert workspace.count() == 2


def test_remaining_events_are_sent_at_exit(workspace: Workspace, spool: Path) -> None:
    code = """
        import llmlab
        for number in range(1_200):
            llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=0)
    """
    environment = {"LLMLAB_API_KEY": workspace.key, "LLMLAB_URL": workspace.url, "LLMLAB_SPOOL_DIR": str(spool)}
    done = run(code, LLMLAB_FLUSH_INTERVAL="60", **environment)
    assert (done.stdout, done.stderr) == ("", "")
    assert workspace.count() == 1_200


def test_the_exit_does_not_wait_for_a_hanging_server(spool: Path) -> None:
    code = """
        import socket, llmlab
        silent = socket.create_server(("127.0.0.1", 0))
        llmlab.configure(api_key="k", base_url=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2)
        for number in range(30):
            llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=0)
    """
    run(code, LLMLAB_FLUSH_INTERVAL="60", LLMLAB_SPOOL_DIR=str(spool), LLMLAB_EXIT_TIMEOUT="0.5")
    assert len({event["id"] for event in lines(spool)}) == 30


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 15)", "os.kill(os.getpid(), 9)", "os._exit(0)"])
def test_calls_survive_a_process_that_ends_at_once(end: str, workspace: Workspace, spool: Path) -> None:
    code = """
        import os, llmlab
        for number in range(3):
            llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=0)
        {}
    """
    environment = {"LLMLAB_API_KEY": workspace.key, "LLMLAB_URL": workspace.url, "LLMLAB_SPOOL_DIR": str(spool)}
    started(code.format(end), LLMLAB_FLUSH_INTERVAL="60", **environment)
    assert (workspace.count(), len(lines(spool))) == (0, 3)
    # The next process sends them, also if it makes no calls.
    run("import llmlab; llmlab.stats()", **environment)
    assert (workspace.count(), lines(spool)) == (3, [])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_workers_of_a_pool_lose_nothing(method: str, workspace: Workspace, spool: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import multiprocessing, llmlab
            def work(number):
                llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=0)
            if __name__ == "__main__":
                llmlab.stats()
                # The end of the block ends the workers by SIGTERM.
                with multiprocessing.get_context("{method}").Pool(3) as pool:
                    pool.map(work, range(10))
            """
        )
    )
    environment = {"LLMLAB_API_KEY": workspace.key, "LLMLAB_URL": workspace.url, "LLMLAB_SPOOL_DIR": str(spool)}
    run(program, LLMLAB_FLUSH_INTERVAL="60", **environment)
    # The parent sends what its workers left, unless one of them was still ending.
    run("import llmlab; llmlab.stats()", **environment)
    assert (workspace.count(), lines(spool)) == (10, [])


def test_events_are_sent_from_the_other_segment_while_new_ones_are_written(
    configure: Configure, double: Double, spool: Path
) -> None:
    configure(base_url=double.url, flush_interval=60)
    for number in range(5):
        log(number)
        assert [event["metadata"]["n"] for event in lines(spool)] == [number]
        assert llmlab.flush()
        assert lines(spool) == []
    assert len(list(spool.glob("*/*"))) == 2
    configure(base_url=double.url)
    assert list(spool.glob("*/*")) == []


def test_of_a_delivery_that_stops_halfway_only_the_rest_stays(
    configure: Configure, double: Double, spool: Path
) -> None:
    fine: tuple[int, dict[str, str], bytes] = (200, {}, b'{"recorded":0,"duplicates":0,"rejected":[]}')
    double.answers = [fine, (503, {}, b"{}")]
    configure(base_url=double.url, flush_interval=60)
    for number in range(100):
        log(number, tags={str(key): "x" * 128 for key in range(8)}, error_message="x" * 2000)
        llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=0, metadata={"text": "x" * 9_000})
    assert not llmlab.flush()
    assert 0 < len(lines(spool)) < 200
    first, rest = (len(json.loads(body[body.index(b'{"events"') :])["events"]) for body in double.batches())
    assert (first, len(lines(spool))) == (200 - rest, rest)
    assert llmlab.flush()
    assert (llmlab.stats().sent, lines(spool)) == (200, [])


def test_changing_the_settings_sends_what_was_recorded_before(
    configure: Configure, workspace: Workspace, server: Server
) -> None:
    other = Workspace(server.url)
    configure(flush_interval=60)
    log(0)
    configure(api_key=other.key, flush_interval=60)
    log(1)
    assert llmlab.flush()
    assert (workspace.count(), other.count()) == (1, 1)


# Contents of events


def test_prompts_and_answers_never_leave_the_process(
    double: Double, configure: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    canary = "CANARY"
    configure(base_url=double.url)

    class Refused(Exception):
        code = f"the prompt was {canary}"

        def __str__(self) -> str:
            return canary

    answer = {
        "id": "chatcmpl-0123456789",
        "model": "gpt-4o",
        "choices": [{"message": {"content": canary}}],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "note": canary,
            "details": [{"modality": "TEXT", "x": 1}],
        },
        "meta": {"prompt": canary},
    }

    @llmlab.track_cost("openai")
    def call(prompt: str) -> dict[str, Any]:
        return answer

    @llmlab.track_cost("openai", "gpt-4o")
    def refused(prompt: str) -> None:
        raise Refused

    call(canary)
    with pytest.raises(Refused):
        refused(canary)
    observed = llmlab.ObservedCall("openai", "gpt-4o")
    observed.begin()
    observed.finish(response={**answer, "result": {"usage": {"total_tokens": 1, "text": canary}, "text": canary}})
    llmlab.LLMObservabilityWrapper("openai", "gpt-4o", cost_timeout=0).call_llm(call, canary)
    llmlab.log_call("openai", response=answer, id="past")
    assert llmlab.flush()
    wire = b"".join(part for path, body in double.requests for part in (path.encode(), body))
    assert wire.count(b'"provider":"openai"') == 6
    assert b'"modality":"TEXT"' in wire
    assert canary.encode() not in wire
    assert canary not in caplog.text
