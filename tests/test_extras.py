"""A server without its optional packages: what works, and the errors where a package is needed."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import utils
from channels import chats
from tests.conftest import client_of, running, settings_for
from tests.support.alerts import CENT_SPENT, add_channel, has_status, hurry, set_budget
from tests.support.product import ROOT
from tests.support.receiver import Receiver
from tests.support.team import Member, assert_problem, sign_up
from tests.support.waiting import until
from utils.extras import _PACKAGES

PARQUET = (
    "Parquet requires pyarrow, which is not installed on this server. Run ./run.sh extras parquet "
    "(or build the container image with EXTRAS=parquet) and restart the server."
)
APPRISE = (
    "This service requires apprise, which is not installed on this server. Run ./run.sh extras apprise "
    "(or build the container image with EXTRAS=apprise) and restart the server."
)
TELEGRAM = "tgram://123456789:abcdefg_hijklmnop/1234/"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing an optional package fails, as where it is not installed."""
    for name in [*sys.modules]:
        if name.split(".")[0] in ("apprise", "pyarrow"):
            monkeypatch.setitem(sys.modules, name, None)
    for name in ("apprise", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "channels.services", raising=False)
    monkeypatch.delattr(utils, "services", raising=False)


@pytest.fixture
async def admin(bare: None, url: str, tmp_path: Path) -> AsyncIterator[Member]:
    """An admin on a server without optional packages, which may send to this machine."""
    settings = settings_for(tmp_path, database_url=url, allow_private_webhooks=True)
    async with running(settings) as app, client_of(app) as client:
        hurry(app)
        yield await sign_up(client, "Ada")


async def test_health_lists_the_installed_extras(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await client.get("/api/health")).json()["extras"] == ["parquet", "apprise"]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert (await client.get("/api/health")).json()["extras"] == ["apprise"]


@pytest.mark.parametrize("path", ["events", "costs", "focus"])
async def test_parquet_is_refused_before_anything_is_sent(admin: Member, path: str) -> None:
    refused = await admin.request("GET", f"/api/export/{path}", params={"format": "parquet"})
    assert_problem(refused, 501, PARQUET)
    assert refused.json()["title"] == "Not Implemented"
    assert "content-disposition" not in refused.headers
    for format in ("csv", "jsonl"):
        exported = await admin.request("GET", f"/api/export/{path}", params={"format": format})
        assert exported.status_code == 200


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("other", TELEGRAM),
        # Addresses that only Apprise resolves, and encryption that only it supports.
        ("slack", "slack://xoxb-1234-1234-abc/somebody@example.com"),
        ("email", "mailto://user:password@nowhere.invalid?pgp=encrypt"),
    ],
)
async def test_a_service_of_apprise_is_refused_when_the_channel_is_made(admin: Member, kind: str, address: str) -> None:
    body = {"kind": kind, "name": "x", "url": address}
    assert_problem(await admin.request("POST", "/api/alert-channels", json=body), 501, APPRISE)
    assert (await admin.get("/api/alert-channels"))["channels"] == []


@pytest.mark.parametrize(
    ("kind", "address"), [("slack", TELEGRAM), ("discord", "json://example.com/"), ("email", "slack://a/b/c")]
)
async def test_an_invalid_address_is_refused_as_with_apprise(admin: Member, kind: str, address: str) -> None:
    refused = await admin.request("POST", "/api/alert-channels", json={"kind": kind, "name": "x", "url": address})
    name = {"slack": "a Slack", "discord": "a Discord", "email": "an e-mail"}[kind]
    assert assert_problem(refused, 422)["detail"] == f"This is not {name} URL"


async def test_alerts_arrive_by_every_kind_without_apprise(admin: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver() as webhook, Receiver() as slack, Receiver() as discord:
        monkeypatch.setattr(chats, "SLACK", f"http://127.0.0.1:{slack.port}")
        monkeypatch.setattr(chats, "DISCORD", f"http://127.0.0.1:{discord.port}/api/webhooks")
        addresses = {
            "webhook": webhook.url,
            "slack": "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
            "discord": "https://discord.com/api/webhooks/123456789/abcdefg_hijklmnop",
        }
        for kind, address in addresses.items():
            await add_channel(admin, address, kind, name=kind)
        # As it was stored with the kind "other".
        await add_channel(admin, "discord://987/zyx", "other", name="other")
        await set_budget(admin, name="<Team> & co")
        await admin.track(**CENT_SPENT)
        receivers = [webhook, slack, discord, discord]
        await until(lambda: sum(len(receiver.requests) for receiver in {*receivers}) == len(receivers))
    (request,) = slack.requests
    assert request.path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    (attachment,) = request.payload["attachments"]
    assert attachment["title"] == "Budget &lt;Team&gt; &amp; co: 100% spent"
    assert attachment["text"].startswith("$0.01 of $0.01 spent")
    assert {request.path for request in discord.requests} == {
        "/api/webhooks/123456789/abcdefg_hijklmnop",
        "/api/webhooks/987/zyx",
    }
    for request in discord.requests:
        title, text = request.payload["content"].split("\r\n")
        assert title == "Budget <Team> & co: 100% spent"
        assert text.startswith("$0.01 of $0.01 spent")
        assert text.endswith("\nhttp://127.0.0.1:8000")


async def test_deliveries_by_apprise_wait_until_it_is_installed(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(tmp_path, database_url=url, allow_private_webhooks=True)
    async with Receiver() as receiver:
        async with running(settings) as app, client_of(app) as client:
            ada = await sign_up(client, "Ada")
            await add_channel(ada, f"json://127.0.0.1:{receiver.port}/", "other")
        monkeypatch.setitem(sys.modules, "apprise", None)
        async with running(settings) as app, client_of(app) as client:
            hurry(app)
            ada = Member(client, ada.session, ada.email)
            await set_budget(ada)
            await ada.track(**CENT_SPENT)
            await until(has_status(ada, "dead"))
            (alert,) = (await ada.get("/api/alerts"))["alerts"]
            assert alert["deliveries"][0]["last_error"] == APPRISE
            assert receiver.requests == []
            monkeypatch.undo()
            hurry(app)
            await ada.request("POST", f"/api/alerts/{alert['id']}/resend")
            await until(lambda: len(receiver.requests) == 1)


def test_no_module_of_the_program_needs_an_extra(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules.update(apprise=None, pyarrow=None)\n"
        "import main, maintenance, channels.outbound, utils.tables\n"
        "from config import Settings\n"
        "main.create_app(Settings())"
    )
    # Not beside a .env, which must not change the test.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_requirements_of_each_extra_name_its_package() -> None:
    root = Path(__file__).parent.parent
    found: dict[str, Any] = {}
    for extra in _PACKAGES:
        lines = (root / f"requirements-{extra}.txt").read_text().splitlines()
        found[extra] = [line.partition("==")[0] for line in lines if not line.startswith("#")]
    assert found == {extra: [package] for extra, package in _PACKAGES.items()}
    base = (root / "requirements.txt").read_text()
    assert not any(package in base for package in _PACKAGES.values())
