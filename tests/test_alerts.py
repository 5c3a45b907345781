"""Delivery of alerts: once, signed, after failures and crashes, and to private addresses only if allowed."""

import asyncio
import email
import logging
import signal
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import FastAPI
from pydantic import SecretStr

from channels.errors import Undelivered
from channels.outbound import Outbound
from config import Settings
from database import Database
from engines.alerts import AlertEngine
from engines.changes import Changes
from maintenance import reencrypt
from roads.postgres import PostgresRoad
from schemas.alerts import DueDelivery
from tests.conftest import client_of, running, settings_for
from tests.support.alerts import CENT_SPENT, add_channel, cross, delivery, has_status, hurry, set_budget
from tests.support.product import PATIENCE, Server
from tests.support.receiver import Receiver
from tests.support.team import Member, assert_problem, sign_up
from tests.support.waiting import until
from utils.addresses import is_public
from utils.cipher import Cipher
from utils.errors import TooSlow, Unavailable

SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
DISCORD = "https://discord.com/api/webhooks/123456789/abcdefg_hijklmnop"


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application on each road, which may send to this machine."""
    async with running(settings.model_copy(update={"allow_private_webhooks": True})) as app:
        hurry(app)
        yield app


# Webhooks


@pytest.mark.both_roads
async def test_a_webhook_is_signed_and_describes_the_alert(ada: Member) -> None:
    async with Receiver() as receiver:
        channel = await add_channel(ada, receiver.url)
        assert channel["signing_secret"].startswith("llmlab_whsec_")
        assert channel["target"] == f"http://127.0.0.1:{receiver.port}"
        await set_budget(ada, limit="0.04", thresholds=[80], period="daily", name="Team")
        cheap = {**CENT_SPENT, "provider": "anthropic"}
        await ada.batch(
            {**CENT_SPENT, "cost": "0.02"},
            {**cheap, "model": "one", "cost": "0.01"},
            {**cheap, "model": "two", "cost": "0.003"},
            {**cheap, "model": "three", "cost": "0.001"},
        )
        await until(has_status(ada, "delivered"))
        (request,) = receiver.requests
    assert request.is_signed_with(channel["signing_secret"])
    assert not request.is_signed_with("llmlab_whsec_another")
    assert abs(int(request.headers["x-llmlab-signature"].split(",")[0][2:]) - time.time()) < 60
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    payload = request.payload
    assert request.headers["x-llmlab-delivery"] == payload["delivery_id"]
    budget = payload["budget"]
    assert (payload["kind"], budget["name"], budget["period"]) == ("budget", "Team", "daily")
    assert {name: budget[name] for name in ("limit", "spend", "percent", "threshold")} == {
        "limit": Decimal("0.04"), "spend": Decimal("0.034"), "percent": 85, "threshold": 80,
    }  # fmt: skip
    assert [(part["provider"], part["model"], part["cost"]) for part in budget["contributors"]] == [
        ("openai", "gpt-4o", Decimal("0.02")),
        ("anthropic", "one", Decimal("0.01")),
        ("anthropic", "two", Decimal("0.003")),
    ]
    assert payload["link"] == "http://127.0.0.1:8000"
    for words in ("Budget Team: 85% spent", "$0.034 of $0.04 spent", "- openai/gpt-4o: $0.02"):
        assert words in payload["text"]
    assert budget["period_start"][:10] in payload["text"]
    done = await delivery(ada)
    assert (done["channel"], done["attempts"], done["last_error"]) == ("channel", 1, None)
    assert done["delivered_at"] is not None


async def test_contributors_are_listed_within_the_scope_of_the_budget(ada: Member) -> None:
    async with Receiver() as receiver:
        await set_budget(ada, scope={"tag": "team=a"})
        await set_budget(ada, scope={"model": "gpt-4o-mini"})
        await add_channel(ada, receiver.url)
        await ada.track(**CENT_SPENT, cost="5")
        await ada.track(**CENT_SPENT, cost="0.5", tags={"team": "a"})
        await ada.track(**{**CENT_SPENT, "model": "gpt-4o-mini"}, cost="0.25")
        await until(lambda: len(receiver.requests) == 2)
        listed = sorted(
            [(c["model"], c["cost"]) for c in r.payload["budget"]["contributors"]] for r in receiver.requests
        )
    assert listed == [[("gpt-4o", Decimal("0.5"))], [("gpt-4o-mini", Decimal("0.25"))]]


async def test_an_alert_without_contributors_if_reading_them_takes_too_long(
    ada: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(*_: Any) -> None:
        raise TooSlow

    monkeypatch.setattr(Database, "budget_contributors", slow)
    async with Receiver() as receiver:
        await set_budget(ada)
        await add_channel(ada, receiver.url)
        await ada.track(**CENT_SPENT, cost="5")
        await until(has_status(ada, "delivered"))
        (request,) = receiver.requests
    assert request.payload["budget"]["contributors"] == []
    assert (await delivery(ada))["attempts"] == 1


async def test_eight_writers_cause_exactly_three_requests(url: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, database_url=url, allow_private_webhooks=True)
    async with (
        Receiver() as receiver,
        running(settings) as one,
        running(settings) as other,
        client_of(one) as here,
        client_of(other) as there,
    ):
        hurry(one)
        hurry(other)
        ada = await sign_up(here, "Ada")
        await add_channel(ada, receiver.url)
        await set_budget(ada, limit=1, thresholds=[50, 80, 100])
        senders = [ada, Member(there, ada.session, ada.email)]

        async def write(number: int) -> None:
            for _ in range(15):
                await senders[number % 2].track(**CENT_SPENT)

        await asyncio.gather(*[write(number) for number in range(8)])
        await until(lambda: len(receiver.requests) >= 3)
        # Both workers continue to look, and find nothing more to send.
        await asyncio.sleep(1)
        assert sorted(request.payload["budget"]["threshold"] for request in receiver.requests) == [50, 80, 100]
        alerts = (await ada.get("/api/alerts"))["alerts"]
        assert [alert["deliveries"][0]["attempts"] for alert in alerts] == [1, 1, 1]


@pytest.mark.both_roads
async def test_a_receiver_that_fails_twice_gets_it_on_the_third_try(ada: Member) -> None:
    async with Receiver(500, 503) as receiver:
        await add_channel(ada, receiver.url)
        await cross(ada)
        await until(has_status(ada, "delivered"))
        await asyncio.sleep(0.5)
        assert len(receiver.requests) == 3
        # The id of the delivery stays the same, so that a receiver recognises it.
        assert len({request.headers["x-llmlab-delivery"] for request in receiver.requests}) == 1
    assert (await delivery(ada))["attempts"] == 3


async def test_a_delivery_is_dead_after_the_last_attempt_until_it_is_resent(
    ada: Member, sql: "asyncpg.Connection[asyncpg.Record]", settings: Settings
) -> None:
    async with Receiver(*[500] * 6) as receiver:
        await add_channel(ada, receiver.url)
        await cross(ada)
        await until(has_status(ada, "dead"))
        await asyncio.sleep(0.3)
        assert len(receiver.requests) == 6
        dead = await delivery(ada)
        assert (dead["attempts"], dead["last_error"]) == (6, "The receiver responded with status 500")
        assert (dead["delivered_at"], dead["next_attempt_at"]) == (None, None)
        if settings.road == "postgres":
            log = await sql.fetch("select attempt, error from public.delivery_attempts order by ended_at")
            assert [tuple(row) for row in log] == [(n, "The receiver responded with status 500") for n in range(1, 7)]
        alert = (await ada.get("/api/alerts"))["alerts"][0]["id"]
        again = await ada.request("POST", f"/api/alerts/{alert}/resend")
        assert again.status_code == 202
        assert again.json()["deliveries"][0]["status"] == "pending"
        await until(has_status(ada, "delivered"))
        # A receiver that drops repeated ids must not drop this one.
        assert len({request.headers["x-llmlab-delivery"] for request in receiver.requests}) == 2


async def test_an_alert_without_channels_is_not_resent(ada: Member) -> None:
    await cross(ada)
    (alert,) = (await ada.get("/api/alerts"))["alerts"]
    assert alert["deliveries"] == []
    nowhere = await ada.request("POST", f"/api/alerts/{alert['id']}/resend")
    assert_problem(nowhere, 409, "The workspace has no channel to send this to")
    assert_problem(await ada.request("POST", f"/api/alerts/{uuid4()}/resend"), 404, "Alert not found")


async def test_a_redirect_is_not_followed(ada: Member) -> None:
    async with Receiver() as secret, Receiver(302, location=secret.url) as receiver:
        await add_channel(ada, receiver.url)
        await cross(ada)
        await until(has_status(ada, "delivered"))
        assert (await delivery(ada))["attempts"] == 2
        assert secret.requests == []


async def test_a_test_message_goes_only_to_its_channel(ada: Member) -> None:
    async with Receiver() as receiver, Receiver() as other:
        channel = await add_channel(ada, receiver.url, name="on call")
        await add_channel(ada, other.url, name="other")
        tested = await ada.request("POST", "/api/alerts/test", json={"channel_id": channel["id"]})
        assert tested.status_code == 202
        assert tested.json()["kind"] == "test"
        await until(has_status(ada, "delivered"))
        (request,) = receiver.requests
        assert request.payload["budget"] is None
        assert request.payload["text"].startswith("Test message for the alert channel on call\n")
        assert other.requests == []


async def test_a_model_without_a_price_is_reported(ada: Member) -> None:
    async with Receiver() as receiver:
        await add_channel(ada, receiver.url)
        await ada.track(model="no-such-model")
        await until(has_status(ada, "delivered"))
        assert receiver.requests[0].payload["text"].startswith("openai/no-such-model has no known price\n")


@pytest.mark.long
async def test_a_killed_server_delivers_after_its_restart(tmp_path: Path) -> None:
    async with Receiver() as receiver:
        port = receiver.port
    server = Server(tmp_path / "data", ALLOW_PRIVATE_WEBHOOKS="true")
    server.start()
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as client:
        ada = await sign_up(client, "Ada")
        channel = await add_channel(ada, f"http://127.0.0.1:{port}/hook")
        await set_budget(ada)
        assert (await ada.track(**CENT_SPENT)).status_code == 201
        # Committed but not delivered: the receiver does not listen yet.
        server.stop(signal.SIGKILL)
    # Its Postgres lives on. Whether it had begun to deliver or not, the next attempt is due now.
    connection = await asyncpg.connect(server.database)
    await connection.execute("update public.deliveries set next_attempt_at = now()")
    await connection.close()
    async with Receiver(port=port) as receiver:
        server.start()
        try:
            await until(lambda: len(receiver.requests) == 1, seconds=PATIENCE)
            async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as client:
                await until(has_status(Member(client, ada.session, ada.email), "delivered"))
        finally:
            server.stop()
        (request,) = receiver.requests
        assert request.is_signed_with(channel["signing_secret"])


async def test_two_workers_never_claim_the_same_delivery(
    url: str, no_deliveries: None, tmp_path: Path, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        await add_channel(ada, "https://nowhere.invalid/")
        await set_budget(ada, thresholds=list(range(1, 11)))
        await ada.track(**CENT_SPENT)
        road = await PostgresRoad.open(url)
        at = datetime.now(UTC)
        lease = timedelta(seconds=60)

        async def claim(moment: datetime) -> list[DueDelivery]:
            return await Database(road).delivery_claim(moment, moment + lease, 3)

        taken = [due for some in await asyncio.gather(*[claim(at) for _ in range(8)]) for due in some]
        assert len({due.id for due in taken}) == len(taken)
        while more := await claim(at):
            taken += more
        assert len({due.id for due in taken}) == len(taken) == 10
        # When a claim expires, another worker takes it, and a late report of the first one changes nothing.
        (late, *_) = await claim(at + lease)
        assert late.attempt == 2
        first = next(due for due in taken if due.id == late.id)
        await Database(road).delivery_done(first, "too slow", None, at)
        await Database(road).delivery_done(late, None, None, at)
        status = "select status from public.deliveries where id = $1"
        assert await sql.fetchval(status, late.id) == "delivered"
        await road.close()


# Other services


@pytest.fixture
def letters() -> Iterator[tuple[int, list[Envelope]]]:
    """The port of a mail server, and the messages it received."""
    received: list[Envelope] = []

    class Keep:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
            received.append(envelope)
            return "250 OK"

    async def free_port() -> int:
        async with Receiver() as receiver:
            return receiver.port

    server = Controller(Keep(), hostname="127.0.0.1", port=asyncio.run(free_port()))
    server.start()
    yield server.port, received
    server.stop()


async def test_a_mail_contains_the_numbers(letters: tuple[int, list[Envelope]], ada: Member) -> None:
    port, received = letters
    url = f"mailto://127.0.0.1:{port}?from=llmlab@example.com&to=cfo@example.com"
    channel = await add_channel(ada, url, "email")
    assert (channel["target"], channel["signing_secret"]) == ("mailto://127.0.0.1", None)
    await cross(ada)
    await until(has_status(ada, "delivered"))
    (envelope,) = received
    assert envelope.rcpt_tos == ["cfo@example.com"]
    assert isinstance(envelope.content, bytes)
    letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert letter["subject"] == "Budget Team: 100% spent"
    part = letter.get_body(("plain",))
    assert part is not None
    text = part.get_content()
    for words in ("$0.01 of $0.01 spent", "100%", "- openai/gpt-4o: $0.01", "http://127.0.0.1:8000"):
        assert words in text


async def test_an_unavailable_mail_server_is_retried(ada: Member) -> None:
    async with Receiver() as receiver:
        port = receiver.port
    await add_channel(ada, f"mailto://127.0.0.1:{port}?from=llmlab@example.com&to=cfo@example.com", "email")
    await cross(ada)
    await until(has_status(ada, "dead"))
    assert "127.0.0.1" in (await delivery(ada))["last_error"]


# What is refused


PRIVATE = [
    "127.0.0.1", "localhost", "10.1.2.3", "192.168.0.1", "172.16.0.1", "100.64.0.1", "169.254.169.254", "0.0.0.0",  # noqa: S104
    "224.0.0.1", "255.255.255.255", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:8.8.8.8]", "[fe80::1]", "[fd00::1]",
    "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "2130706433", "0x7f.1", "127.1",
]  # fmt: skip


@pytest.fixture
async def careful(url: str, tmp_path: Path) -> AsyncIterator[Member]:
    """The admin of a workspace on a server that sends to public addresses only, as it does by default."""
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        hurry(app)
        yield await sign_up(client, "Ada")


async def test_private_addresses_are_refused(careful: Member) -> None:
    for host in PRIVATE:
        response = await careful.request(
            "POST", "/api/alert-channels", json={"kind": "webhook", "name": "x", "url": f"http://{host}:80/hook"}
        )
        problem = assert_problem(response, 422)
        assert "is not public" in problem["detail"], host
        assert problem["errors"][0]["loc"] == ["body", "url"]
    for kind, url in {
        "json": "json://127.0.0.1/x", "form": "form://localhost/x", "xml": "xmls://[::1]/x", "ntfy": "ntfy://10.0.0.1/x",
        "gotify": "gotify://192.168.0.1/abcdefghijklmno", "mail": "mailto://localhost?from=a@b.cc&to=a@b.cc",
        "mail elsewhere": "mailto://u:p@example.com?smtp=127.0.0.1",
    }.items():  # fmt: skip
        body = {"kind": "other", "name": kind, "url": url}
        refused = assert_problem(await careful.request("POST", "/api/alert-channels", json=body), 422)
        assert "is not public" in refused["detail"], kind
    assert (await careful.get("/api/alert-channels"))["channels"] == []


async def test_a_host_that_moves_to_a_private_address_is_refused(
    url: str, tmp_path: Path, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    trusting = settings_for(tmp_path, database_url=url, allow_private_webhooks=True)
    async with Receiver() as receiver:
        async with running(trusting) as app, client_of(app) as client:
            ada = await sign_up(client, "Ada")
            await add_channel(ada, f"http://localhost:{receiver.port}/", name="webhook")
            await add_channel(ada, f"json://localhost:{receiver.port}/", "other", name="json")
            smtp = f"mailto://localhost:{receiver.port}?from=a@example.com&to=b@example.com"
            await add_channel(ada, smtp, "email", name="mail")
        async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
            hurry(app)
            await cross(Member(client, ada.session, ada.email))
            left = "select count(*) from public.deliveries where status <> 'dead'"

            async def all_dead() -> bool:
                return bool(await sql.fetchval(left) == 0)

            await until(all_dead)
        assert receiver.requests == []
        errors = await sql.fetch("select distinct last_error from public.deliveries")
        assert "The host localhost has an address that is not public" in [row["last_error"] for row in errors]


@pytest.mark.parametrize(
    ("kind", "address", "why"),
    [
        ("webhook", "ftp://example.com/hook", "The URL of a webhook must begin with https:// or http://"),
        ("webhook", "https:///hook", "The URL of a webhook must begin with https:// or http://"),
        ("slack", DISCORD, "This is not a Slack URL"),
        ("discord", SLACK, "This is not a Discord URL"),
        ("email", "json://example.com/", "This is not an e-mail URL"),
        ("other", "nothing://at/all", "This is not a valid URL for Apprise"),
        ("other", "file:///etc/passwd", "This is not a valid URL for Apprise"),
        ("other", "syslog://local0", "This service acts on the server itself, which is not allowed"),
        ("other", "gnome://localhost", "This is not a valid URL for Apprise"),
        ("email", "mailto://u:p@example.com?pgppub=/etc/passwd", "The URL must not name files on the server"),
    ],
)
async def test_an_invalid_channel_is_refused(careful: Member, kind: str, address: str, why: str) -> None:
    response = await careful.request("POST", "/api/alert-channels", json={"kind": kind, "name": "x", "url": address})
    refused = assert_problem(response, 422)
    assert refused["detail"] in (why, "This service acts on the server itself, which is not allowed")
    assert address not in response.text


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2606:4700:4700::1111", True), ("8.8.8.8.example", False), ("", False), ("ff0e::1", False),
        *[(host.strip("[]"), False) for host in PRIVATE],
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) == public


# Channels


@pytest.mark.both_roads
async def test_a_channel_is_stored_and_its_secrets_never_shown(
    ada: Member, sql: "asyncpg.Connection[asyncpg.Record]", settings: Settings
) -> None:
    hidden = "s3cret-path-of-mine"
    made = await add_channel(ada, f"https://user:{hidden}@nowhere.invalid:8443/{hidden}?token={hidden}")
    assert made["target"] == "https://nowhere.invalid:8443"
    slack = await add_channel(ada, SLACK, "slack", name="slack")
    assert slack["target"] == "https://hooks.slack.com"
    discord = await add_channel(ada, DISCORD, "discord", name="discord")
    assert discord["target"] == "https://discord.com"
    telegram = await add_channel(ada, "tgram://123456789:abcdefg_hijklmnop/1234/", "other", name="telegram")
    assert telegram["target"] == "tgram://"
    listed = await ada.request("GET", "/api/alert-channels")
    assert [channel["name"] for channel in listed.json()["channels"]] == ["channel", "discord", "slack", "telegram"]
    same = {"kind": "webhook", "name": "slack", "url": "https://nowhere.invalid/"}
    conflict = await ada.request("POST", "/api/alert-channels", json=same)
    assert_problem(conflict, 409, "An alert channel with this name already exists")
    assert (await ada.request("DELETE", f"/api/alert-channels/{slack['id']}")).status_code == 204
    audit = await ada.request("GET", "/api/audit")
    assert [entry["action"] for entry in audit.json()["entries"][:2]] == ["channel.deleted", "channel.created"]
    kept = ""
    if settings.road == "postgres":
        for table in ("alert_channels", "audit_log"):
            kept += str(await sql.fetchval(f"select jsonb_agg(to_jsonb(t)) from public.{table} t"))
        assert len(kept) > 100
    for secret in (hidden, made["signing_secret"], "TIiajkdnlazkcOXrIdevi7FQ", "abcdefg_hijklmnop"):
        assert secret not in listed.text + audit.text + kept


@pytest.mark.both_roads
async def test_channels_and_alerts_of_another_workspace_are_not_found(ada: Member, bob: Member) -> None:
    async with Receiver() as receiver:
        channel = await add_channel(ada, receiver.url)
        await cross(ada)
        (alert,) = (await ada.get("/api/alerts"))["alerts"]
        assert (await bob.get("/api/alert-channels"))["channels"] == []
        theirs = f"/api/alert-channels/{channel['id']}"
        assert_problem(await bob.request("DELETE", theirs), 404, "Alert channel not found")
        test = await bob.request("POST", "/api/alerts/test", json={"channel_id": channel["id"]})
        assert_problem(test, 404, "Alert channel not found")
        assert_problem(await bob.request("POST", f"/api/alerts/{alert['id']}/resend"), 404, "Alert not found")
        await cross(bob)
        await until(has_status(ada, "delivered"))
        assert len(receiver.requests) == 1


async def test_a_workspace_has_at_most_fifty_channels(careful: Member) -> None:
    for number in range(50):
        await add_channel(careful, "https://nowhere.invalid/", name=str(number))
    one_more = {"kind": "webhook", "name": "51", "url": "https://nowhere.invalid/"}
    refused = await careful.request("POST", "/api/alert-channels", json=one_more)
    assert_problem(refused, 409, "A workspace has at most 50 alert channels")


async def test_channels_are_reencrypted_with_the_keys(
    url: str, tmp_path: Path, sql: "asyncpg.Connection[asyncpg.Record]", capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = "o" * 32, "n" * 32
    before = settings_for(tmp_path, database_url=url, encryption_key=SecretStr(old))
    async with running(before) as app, client_of(app) as client:
        await add_channel(await sign_up(client, "Ada"), "https://nowhere.invalid/hook")
    assert await reencrypt(settings_for(tmp_path, database_url=url, encryption_key=SecretStr(f"{new},{old}")))
    assert "1 re-encrypted" in capsys.readouterr().out
    row: Any = await sql.fetchrow("select workspace_id, id, ciphertext from public.alert_channels")
    place = f"alert_channels/{row['workspace_id']}/{row['id']}"
    assert "https://nowhere.invalid/hook" in Cipher([new]).decrypt(row["ciphertext"], place)


# The task


async def test_an_unavailable_database_is_awaited_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    asked = 0

    class Away:
        async def delivery_claim(self, *_: object) -> list[DueDelivery]:
            nonlocal asked
            asked += 1
            if asked in (3, 4):
                return []
            raise Unavailable

    outbound = Outbound(allow_private=False)
    engine = AlertEngine(Away(), Cipher(["x" * 32]), outbound, "", Changes())  # type: ignore[arg-type]
    engine.delivering.every_seconds = 0.01
    with caplog.at_level(logging.WARNING, "llmlab.background"):
        task = asyncio.create_task(engine.delivering.run())
        await until(lambda: asked > 8)
        engine.delivering.stop()
        await task
    await outbound.close()
    assert len(caplog.records) == 2


async def test_a_receiver_that_does_not_answer_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.outbound.TIMEOUT_SECONDS", 0.2)

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    outbound = Outbound(allow_private=True)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Undelivered, match=r"No response within 0\.2 s"):
        await outbound.webhook(f"http://127.0.0.1:{port}/", "secret", "id", b"{}")
    await outbound.close()
    server.close()
    await server.wait_closed()
