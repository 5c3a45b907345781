"""Messages to Slack, Discord and e-mail: how addresses are parsed, and how messages arrive."""

import asyncio
import email.policy
import re
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import channels.outbound
from channels import chats
from channels.chats import Discord, Slack, read_discord, read_slack
from channels.errors import Refused, Undelivered
from channels.mails import Mail, read_mail
from channels.outbound import Outbound
from tests.support.receiver import Receiver
from tests.support.waiting import until

HOOK = "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
TITLE, BODY = "Budget <Té> & *co*: 85 % spent", "3 USD of <4> & more.\n- openai/gpt_4o\nhttp://127.0.0.1/a_b?c=1&d=2"


def slack(url: str) -> Slack:
    found = read_slack(url)
    assert found is not None
    return found


def discord(url: str) -> Discord:
    found = read_discord(url)
    assert found is not None
    return found


def mail(url: str) -> Mail:
    found = read_mail(url)
    assert found is not None
    return found


async def notify(url: str) -> None:
    outbound = Outbound(allow_private=True)
    try:
        await outbound.notify(url, TITLE, BODY)
    finally:
        await outbound.close()


# Slack


@pytest.mark.parametrize(
    ("address", "url", "channels"),
    [
        (f"https://hooks.slack.com/services/{HOOK}", f"https://hooks.slack.com/services/{HOOK}", [None]),
        (f"https://hooks.slack-gov.com/services/{HOOK}/", f"https://hooks.slack-gov.com/services/{HOOK}", [None]),
        (f"slack://{HOOK}", f"https://hooks.slack.com/services/{HOOK}", [None]),
        (f"Slack://name@{HOOK}/", f"https://hooks.slack.com/services/{HOOK}", [None]),
        (f"slack://?token={HOOK}", f"https://hooks.slack.com/services/{HOOK}", [None]),
        (f"slack://{HOOK}?mode=gov-hook", f"https://hooks.slack-gov.com/services/{HOOK}", [None]),
        (f"slack://{HOOK}/#a/@b/+C9:12.5", f"https://hooks.slack.com/services/{HOOK}", ["#a", "C9", "@b"]),
        (f"slack://{HOOK}/?to=a,b", f"https://hooks.slack.com/services/{HOOK}", ["#a", "#b"]),
        ("slack://xoxb-1-2-abc", "https://slack.com/api/chat.postMessage", ["#general"]),
        ("slack://xoxb-1-2-abc/alerts", "https://slack.com/api/chat.postMessage", ["#alerts"]),
        ("https://hooks.slack.com/workflows/T1/F2/3/xyz", "https://hooks.slack.com/workflows/T1/F2/3/xyz", [None]),
        ("https://hooks.slack.com/triggers/T1/2/xyz?", "https://hooks.slack.com/triggers/T1/2/xyz", [None]),
        ("slack://T1/2/xyz?mode=trigger", "https://hooks.slack.com/triggers/T1/2/xyz", [None]),
    ],
)
def test_where_a_slack_address_leads(address: str, url: str, channels: list[str | None]) -> None:
    posts = slack(address).posts(TITLE, BODY)
    assert {post.url for post in posts} == {url}
    assert sorted(str(post.payload.get("channel")) for post in posts) == sorted(map(str, channels))
    for post in posts:
        assert post.headers.get("Authorization") == ("Bearer xoxb-1-2-abc" if "xoxb" in address else None)
        assert post.payload.get("thread_ts") == ("12.5" if post.payload.get("channel") == "C9" else None)
        assert post.payload.get("username") == ("name" if "name@" in address else None)


def test_a_slack_message_is_an_attachment_without_mentions() -> None:
    (post,) = slack(f"slack://{HOOK}").posts("<!here> & co", "<@U1>\n- a")
    (attachment,) = post.payload["attachments"]
    assert abs(attachment.pop("ts") - datetime.now(UTC).timestamp()) < 60
    assert post.payload == {"mrkdwn": False, "attachments": [attachment]}
    assert attachment == {
        "title": "&lt;!here&gt; &amp; co", "text": "&lt;@U1&gt;\n- a", "color": "#3AA3E3", "footer": "LLMLab",
    }  # fmt: skip
    (bare,) = slack(f"slack://{HOOK}?footer=no").posts("a", "b")
    assert bare.payload["attachments"] == [{"title": "a", "text": "b", "color": "#3AA3E3"}]
    (blocks,) = slack(f"slack://{HOOK}?blocks=yes").posts("a", "b")
    assert [block["type"] for block in blocks.payload["attachments"][0]["blocks"]] == ["header", "section", "context"]
    (flow,) = slack("https://hooks.slack.com/triggers/T1/2/xyz").posts("a", "b <")
    assert flow.payload == {"text": "a: b &lt;"}


@pytest.mark.parametrize(
    "address", ["slack://", "slack://T1/A2", f"slack://T_1/{HOOK}", "slack://T1/F2/3?mode=workflow"]
)
def test_an_incomplete_slack_address_is_refused(address: str) -> None:
    with pytest.raises(Refused, match="This is not a Slack URL"):
        read_slack(address)


async def test_an_error_in_the_answer_of_the_slack_api_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer, fault in {
        b'{"ok": false, "error": "channel_not_found"}': "Slack returned the error channel_not_found",
        b"oops": "Slack did not accept the message",
        b'{"ok": true}': None,
    }.items():
        async with Receiver(answer=answer) as receiver:
            monkeypatch.setattr(chats, "SLACK_API", receiver.url)
            if fault is None:
                await notify("slack://xoxb-1-2-abc/#a/#b")
            else:
                with pytest.raises(Undelivered, match=f"^{fault}$"):
                    await notify("slack://xoxb-1-2-abc/#a/#b")
        # A missing channel does not prevent the message to the other.
        assert [request.payload["channel"] for request in receiver.requests] == ["#a", "#b"]
        assert {request.headers["authorization"] for request in receiver.requests} == {"Bearer xoxb-1-2-abc"}


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_a_refusal_by_slack_is_a_failed_delivery(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver() as elsewhere, Receiver(status, location=elsewhere.url) as receiver:
        monkeypatch.setattr(chats, "SLACK", f"http://127.0.0.1:{receiver.port}")
        with pytest.raises(Undelivered, match=f"The receiver responded with status {status}"):
            await notify(f"https://hooks.slack.com/services/{HOOK}")
    assert elsewhere.requests == []


async def test_slack_and_discord_must_be_public_too(monkeypatch: pytest.MonkeyPatch) -> None:
    outbound = Outbound(allow_private=False)
    async with Receiver() as receiver:
        monkeypatch.setattr(chats, "SLACK", f"http://localhost:{receiver.port}")
        monkeypatch.setattr(chats, "DISCORD", f"http://localhost:{receiver.port}")
        for address in (f"slack://{HOOK}", "discord://1/a"):
            with pytest.raises(Undelivered, match="The host localhost has an address that is not public"):
                await outbound.notify(address, TITLE, BODY)
    assert receiver.requests == []
    await outbound.close()


# Discord


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("https://discord.com/api/webhooks/12/aB_c-d", "https://discord.com/api/webhooks/12/aB_c-d"),
        ("https://discordapp.com/api/webhooks/12/aB_c-d/", "https://discord.com/api/webhooks/12/aB_c-d"),
        ("discord://12/aB_c-d", "https://discord.com/api/webhooks/12/aB_c-d"),
        ("discord://name@12/aB_c-d?thread=77", "https://discord.com/api/webhooks/12/aB_c-d?thread_id=77"),
    ],
)
def test_where_a_discord_address_leads(address: str, url: str) -> None:
    (post,) = discord(address).posts(TITLE, BODY)
    assert post.url == url
    assert post.payload.get("username") == ("name" if "name@" in address else None)


def test_a_discord_message_mentions_only_those_in_the_address() -> None:
    none: dict[str, list[str]] = {"parse": [], "users": [], "roles": []}
    (post,) = discord("discord://12/abc").posts("@everyone", "- a")
    assert post.payload == {"tts": False, "content": "@everyone\r\n- a", "allowed_mentions": none}
    (post,) = discord("discord://12/abc?ping=@here,<@5>,<@%266>&tts=yes&flags=4").posts("a", "b" * 3000)
    assert post.payload["allowed_mentions"] == {"parse": ["everyone"], "users": ["5"], "roles": ["6"]}
    assert post.payload["content"] == "a\r\n" + "b" * 1979 + "👉 @here <@5> <@&6>"
    assert len(post.payload["content"]) == 2000
    assert (post.payload["tts"], post.payload["flags"]) == (True, 4)


def test_a_message_in_a_discord_thread_is_a_plain_text_card() -> None:
    (post,) = discord("discord://12/abc?thread=7&href=http://x.example/&footer=yes").posts(TITLE, BODY)
    assert "content" not in post.payload
    assert post.payload["embeds"] == [
        {
            "author": {"name": "LLMLab"},
            "title": TITLE,
            "description": "3 USD of <4\\> & more.\n- openai/gpt\\_4o\nhttp://127.0.0.1/a_b?c=1&d=2",
            "color": 0x3AA3E3,
            "url": "http://x.example/",
            "footer": {"text": "LLMLab"},
        }
    ]


@pytest.mark.parametrize(
    "address", ["discord://12", "discord://12/a%2Fb", "discord://12/a?thread=x", "discord://12/a?flags=x"]
)
def test_an_incomplete_discord_address_is_refused(address: str) -> None:
    with pytest.raises(Refused):
        read_discord(address)


# E-mail


@pytest.mark.parametrize(
    ("address", "server", "login", "sender", "to"),
    [
        ("mailto://u:p@x.example", ("x.example", 25, "insecure"), "u", ("LLMLab", "u@x.example"), ["u@x.example"]),
        ("mailtos://u:p@x.example/a@b.cc", ("x.example", 587, "starttls"), "u", ("LLMLab", "u@x.example"), ["a@b.cc"]),
        (
            "mailtos://u:p@x.example?mode=ssl",
            ("x.example", 465, "ssl"),
            "u",
            ("LLMLab", "u@x.example"),
            ["u@x.example"],
        ),
        ("mailto://[::1]:26?from=F<f@x.example>", ("[::1]", 26, "insecure"), "", ("F", "f@x.example"), ["f@x.example"]),
        ("mailto://u%40d.ee:p@x.example?name=N", ("x.example", 25, "insecure"), "u@d.ee", ("N", "u@x.example"), None),
        ("mailto://u:p@x.example?from=Me", ("x.example", 25, "insecure"), "u", ("Me", "u@x.example"), None),
        (
            "mailtos://u:p@gmail.com",
            ("smtp.gmail.com", 587, "starttls"),
            "u@gmail.com",
            ("LLMLab", "u@gmail.com"),
            None,
        ),
        (
            "mailto://u:p@GMail.com:99",
            ("smtp.gmail.com", 99, "starttls"),
            "u@GMail.com",
            ("LLMLab", "u@GMail.com"),
            None,
        ),
        ("mailtos://u%40yandex.ru:p@yandex.ru", ("smtp.yandex.ru", 465, "ssl"), "u", ("LLMLab", "u@yandex.ru"), None),
        ("mailtos://u:p@office365.com?from=a@b.cc", ("smtp.office365.com", 587, "starttls"), "u", ("", "a@b.cc"), None),
        ("mailtos://u:p@mm.st", ("smtp.fastmail.com", 465, "ssl"), "u@mm.st", ("LLMLab", "u@mm.st"), None),
        (
            "mailtos://u:p@gmail.com?smtp=r.example",
            ("r.example", 587, "starttls"),
            "u",
            ("LLMLab", "u@gmail.com"),
            None,
        ),
        ("mailto://localhost/a@b.cc", ("localhost", 25, "insecure"), "", ("LLMLab", "root@localhost"), ["a@b.cc"]),
        (
            "mailto://u:p@x.example/a@b.cc?to=N <c@d.ee>, f@g.hh;i@j.kk",
            ("x.example", 25, "insecure"),
            "u",
            ("LLMLab", "u@x.example"),
            ["a@b.cc", "c@d.ee", "f@g.hh"],
        ),
    ],
)
def test_a_mail_address_is_parsed(
    address: str, server: tuple[str, int, str], login: str, sender: tuple[str, str], to: list[str] | None
) -> None:
    read = mail(address)
    assert (read.host, read.port, read.security) == server
    assert (read.user, read.sender) == (login, sender)
    assert [person for _, person in read.to] == (to or [sender[1]])
    assert read.verify


@pytest.mark.parametrize(
    "address",
    [
        "mailto://",
        "mailto://u:p@x.example:0",
        "mailto://u:p@x.example:99999",
        "mailto://x.example?to=a@b.cc",
        "mailto://u:p@x.example?to=no-address",
        "mailto://u:p@x.example?mode=plain",
        "mailto://u:p@x.example?smtp=two hosts",
        # A header ends where its line does.
        "mailto://u:p@x.example?name=a%0d%0aBcc: v@x.example",
        "mailto://u:p@x.example?from=%22a%0aBcc: v@x.example%22 <a@b.cc>",
        "mailto://u:p@x.example?+X-Note=a%0d%0aBcc: v@x.example",
        "mailto://u:p@x.example?+X-Note%0d%0aBcc:=v@x.example",
        "mailto://u:p@x.example?+Subject=another",
        "mailto://u:p@x.example?+Content-Type=multipart/mixed",
    ],
)
def test_an_invalid_mail_address_is_refused(address: str) -> None:
    with pytest.raises(Refused):
        read_mail(address)


@pytest.mark.parametrize("to", ["a@b.cc%0d%0aRCPT TO:<v@x.example>", "a@b.cc> BODY", "<a@b.cc", "a@b.cc%0aX <c@d.ee>"])
def test_a_recipient_cannot_inject_smtp_commands(to: str) -> None:
    read = mail(f"mailto://u:p@x.example?to=me@x.example&cc={to}")
    assert all(re.fullmatch(r"[a-z.]+@[a-z.]+", address) for _, address in read.cc)


def test_a_sender_cannot_inject_smtp_commands() -> None:
    assert mail("mailto://u%0d%0aDATA:p@x.example").sender == ("LLMLab", "u@x.example")
    for user in ("u>x", "u<x", "%00"):
        with pytest.raises(Refused, match="The URL has no sender"):
            read_mail(f"mailto://{user}:p@x.example")


def test_each_recipient_gets_a_separate_message() -> None:
    read = mail(
        "mailto://u:p@x.example?to=a@b.cc,c@d.ee&cc=N <n@x.example>, a@b.cc&bcc=h@x.example&reply=r@x.example&+X-A=ü"
    )
    (first, letter), (second, other) = read.letters("A subject\r\nBcc: v@x.example", "Zwölf\n.\nFrom here")
    assert first == ["a@b.cc", "n@x.example", "h@x.example"]
    assert second == ["c@d.ee", "n@x.example", "a@b.cc", "h@x.example"]
    # What comes from a budget's name stays in the subject.
    assert (letter["Subject"], letter["Bcc"]) == ("A subject Bcc: v@x.example", None)
    assert (letter["From"], letter["To"], letter["Cc"]) == ("LLMLab <u@x.example>", "a@b.cc", "N <n@x.example>")
    assert other["Cc"] == "N <n@x.example>, a@b.cc"
    assert (letter["Reply-To"], letter["X-A"]) == ("r@x.example", "ü")
    assert letter["Message-ID"].endswith("@x.example>")
    assert letter["Date"]
    assert letter.as_bytes().isascii()
    assert parsed(letter.as_bytes()).get_content() == "Zwölf\n.\nFrom here\n"


def parsed(content: bytes) -> EmailMessage:
    letter = email.message_from_bytes(content.replace(b"\r\n", b"\n"), policy=email.policy.default)
    assert isinstance(letter, EmailMessage)
    return letter


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a self-signed certificate for this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("certificate") / "server.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    return path


class MailServer:
    """A mail server that requires a login, over TLS from the start or after STARTTLS."""

    def __init__(self, certificate: Path, *, at_once: bool) -> None:
        self.received: list[Envelope] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.at_once = at_once
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)

    async def start(self) -> None:
        """Starts to listen on a free port."""
        context = self._context if self.at_once else None
        self._server = await asyncio.get_running_loop().create_server(self._session, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stops the server."""
        self._server.close()
        await self._server.wait_closed()

    def _session(self) -> SMTP:
        return SMTP(
            self,
            tls_context=None if self.at_once else self._context,
            require_starttls=not self.at_once,
            auth_required=not self.at_once,
            auth_require_tls=not self.at_once,
            authenticator=self._authenticate,
            # One mechanism to log in, which is tried once.
            auth_exclude_mechanism=["LOGIN"],
        )

    def _authenticate(self, server: SMTP, session: Session, envelope: Envelope, kind: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"p@ss", handled=False)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("unknown"):
            return "550 No such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.received.append(envelope)
        return "250 OK"


@pytest.fixture(params=[False, True], ids=["starttls", "ssl"])
async def server(request: pytest.FixtureRequest, certificate: Path) -> AsyncIterator[MailServer]:
    server = MailServer(certificate, at_once=request.param)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def address(server: MailServer) -> Callable[..., str]:
    """The address of an account of the mail server."""

    def address(password: str = "p%40ss", **options: str) -> str:
        mode = "ssl" if server.at_once else "starttls"
        said = {"mode": mode, "verify": "no", "to": "cfo@example.com", **options}
        query = "&".join(f"{name}={value}" for name, value in said.items())
        return f"mailtos://ledger:{password}@localhost:{server.port}?{query}"

    return address


async def test_mail_is_sent_over_tls_after_a_login(server: MailServer, address: Callable[..., str]) -> None:
    await notify(address(to="cfo@example.com,cto@example.com"))
    assert [envelope.rcpt_tos for envelope in server.received] == [["cfo@example.com"], ["cto@example.com"]]
    assert server.logins == [(b"ledger", b"p@ss")]
    content = server.received[0].content
    assert isinstance(content, bytes)
    assert parsed(content)["Subject"] == TITLE
    assert parsed(content).get_content() == f"{BODY}\n"


async def test_an_untrusted_certificate_is_refused(
    server: MailServer, address: Callable[..., str], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Undelivered, match=r"The mail server localhost failed: .*certificate verify failed"):
        await notify(address(verify="yes"))
    assert (server.received, server.logins) == ([], [])
    # A certificate that the machine trusts is enough, for the name in the address.
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
    await notify(address(verify="yes"))
    assert len(server.received) == 1
    with pytest.raises(Undelivered, match="certificate verify failed"):
        await notify(address(verify="yes").replace("@localhost", "@127.0.0.1"))


async def test_a_refusal_by_a_mail_server_is_reported_in_its_words(
    server: MailServer, address: Callable[..., str]
) -> None:
    with pytest.raises(Undelivered, match=r"^The mail server replied 535 5\.7\.8 Authentication credentials invalid$"):
        await notify(address(password="wrong"))
    with pytest.raises(Undelivered, match=r"^The mail server replied 550 No such user$"):
        await notify(address(to="unknown@example.com,cfo@example.com"))
    # The other recipients get the message.
    assert [envelope.rcpt_tos for envelope in server.received] == [["cfo@example.com"]]
    with pytest.raises(Undelivered, match="must be ASCII"):
        await notify(address(password="%C3%A9"))


async def test_an_endless_answer_of_a_mail_server_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels.outbound, "TIMEOUT_SECONDS", 0.5)
    ended = asyncio.Event()

    async def go_on(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                # In time for each read, and never the last line.
                writer.write(b"220-wait\r\n")
                await writer.drain()
                await asyncio.sleep(0.02)
        except OSError:
            ended.set()
        finally:
            writer.close()

    server = await asyncio.start_server(go_on, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Undelivered, match=r"No response within 0\.5 s"):
        await notify(f"mailto://u:p@127.0.0.1:{port}")
    await asyncio.wait_for(ended.wait(), 10)
    executor: Any = asyncio.get_running_loop()._default_executor  # type: ignore[attr-defined]
    # The thread is free for the next message.
    await until(lambda: executor._idle_semaphore._value >= 1)
    server.close()
    await server.wait_closed()


async def test_an_accepted_mail_is_not_sent_again_when_quit_fails() -> None:
    taken = []

    async def hold_the_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        while line := await reader.readline():
            if line == b"quit\r\n":
                break
            if line == b"data\r\n":
                writer.write(b"354 go on\r\n")
                taken.append(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(b"250 OK\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold_the_line, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(4):
        await notify(f"mailto://u@127.0.0.1:{port}")
    assert len(taken) == 1
    server.close()
    await server.wait_closed()


# Forbidden parameters


@pytest.mark.parametrize("option", ["template", "keyfile", "PGPpub", "pgp%70rv", "%20subfile"])
@pytest.mark.parametrize(
    "address",
    [f"slack://{HOOK}", f"slack://{HOOK}/#channel", "discord://12/abc", "mailto://u:p@x.example", "tgram://1:a/2"],
)
async def test_no_address_names_a_file_of_the_server(address: str, option: str) -> None:
    outbound = Outbound(allow_private=True)
    for query in (f"?{option}=/etc/passwd", f"?a=b;{option}=x"):
        with pytest.raises(Refused, match="The URL must not name files on the server"):
            await outbound.check("other", address + query)
    await outbound.close()
