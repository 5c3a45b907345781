"""Messages by e-mail, over SMTP."""

import asyncio
import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import getaddresses, localtime, make_msgid
from typing import Any, NamedTuple

from channels.errors import Refused, Undelivered
from channels.mail_servers import PORTS, Security, server_of
from channels.service_urls import ServiceUrl, read

_SENDER = "LLMLab"
_ADDRESS = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*@[\w-]+(\.[\w-]+)*", re.ASCII)
_HOST = re.compile(r"[\w-]+(\.[\w-]+)*\.?|\[[0-9a-fA-F:.]+\]", re.ASCII)
_HEADER = re.compile(r"[!-9;-~]+")
# Messages are encoded in 7 bits, which every server accepts.
_LETTER = policy.SMTP.clone(cte_type="7bit")


class Mail(NamedTuple):
    """A mail server, its login, and the names and addresses of sender and recipients."""

    host: str
    port: int
    security: Security
    verify: bool
    user: str
    password: str
    sender: tuple[str, str]
    to: Sequence[tuple[str, str]]
    cc: Sequence[tuple[str, str]]
    bcc: Sequence[tuple[str, str]]
    reply_to: Sequence[tuple[str, str]]
    headers: dict[str, str]

    def letters(self, title: str, body: str) -> list[tuple[list[str], EmailMessage]]:
        """A letter for each recipient, with the addresses it is delivered to. Raises Refused for a bad header."""
        hidden = {address for _, address in self.bcc}
        letters = []
        for person in self.to:
            cc = [other for other in self.cc if other[1] not in {person[1], *hidden}]
            letter = EmailMessage(_LETTER)
            try:
                letter["Subject"] = " ".join(title.split())
                letter["From"] = _written(self.sender)
                letter["To"] = _written(person)
                letter["Date"] = localtime()
                letter["Message-ID"] = make_msgid(domain=self.host)
                letter["X-Application"] = _SENDER
                if cc:
                    letter["Cc"] = [_written(other) for other in cc]
                if others := [other for other in self.reply_to if other[1] != person[1]]:
                    letter["Reply-To"] = [_written(other) for other in others]
                for name, value in self.headers.items():
                    if not _HEADER.fullmatch(name):
                        raise ValueError
                    letter[name] = value
                letter.set_content(body)
            except (ValueError, TypeError):
                raise Refused("The URL contains text that is not allowed in an e-mail header") from None
            copies = [address for _, address in (*cc, *self.bcc) if address != person[1]]
            letters.append(([person[1], *copies], letter))
        return letters


def read_mail(url: str) -> Mail | None:
    """Parses an e-mail URL: `mailto://` or, with encryption, `mailtos://user:password@host?to=address`.

    None for another service, and for encrypted messages, which require Apprise. Raises Refused if it is incomplete.
    """
    if not url.lower().startswith(("mailto://", "mailtos://")):
        return None
    parts = read(url)
    options = parts.options
    if options.get("wkd") or options.get("pgp", "no").lower() not in ("", "no", "none"):
        return None
    if not _HOST.fullmatch(parts.host):
        raise Refused("The URL does not name a mail server")
    security, port, user = options.get("mode", "").lower(), parts.port, parts.user
    name = re.split(r"[\s@]+", user)[0]
    server = server_of(parts.host) if user and not options.get("smtp") else None
    if server is not None:
        security, port = security or server.security, port or PORTS[server.security]
        if server.login == "address" and "@" not in user:
            user = f"{user}@{parts.host}"
        elif server.login == "name":
            user = name
    security = security or ("starttls" if parts.scheme == "mailtos" else "insecure")
    if security not in PORTS:
        raise Refused(f"mode must be one of {', '.join(PORTS)}")
    sender = _sender(parts, name)
    written = [*parts.path, options.get("to", "")]
    mail = Mail(
        host=options.get("smtp") or (server.host if server else parts.host),
        port=port or PORTS[security],
        security=security,
        verify=parts.allows("verify"),
        user=user,
        password=parts.password,
        sender=sender,
        to=_people(*written) if any(written) else [("", sender[1])],
        cc=_people(options.get("cc", "")),
        bcc=_people(options.get("bcc", "")),
        reply_to=_people(options.get("reply", "")),
        headers=parts.headers,
    )
    if not mail.to:
        raise Refused("The URL has no recipient: add to=somebody@example.com")
    if not _HOST.fullmatch(mail.host):
        raise Refused("The URL does not name a mail server")
    mail.letters("", "")
    return mail


def _sender(parts: ServiceUrl, name: str) -> tuple[str, str]:
    """The name and address of the sender."""
    own = f"{name or 'root'}@{parts.host}" if name or parts.host.lower().startswith("localhost") else ""
    sender, title = parts.options.get("from", ""), parts.options.get("name", "")
    if found := _people(sender):
        return (title or found[0][0], found[0][1])
    if not _ADDRESS.fullmatch(own):
        raise Refused("The URL has no sender: add from=somebody@example.com")
    return (sender or title or _SENDER, own)


def _people(*texts: str) -> list[tuple[str, str]]:
    """The names and addresses in a text, each address once. Anything else is ignored."""
    found: dict[str, str] = {}
    for text in texts:
        pairs = getaddresses([text]) if "<" in text else [("", part) for part in re.split(r"[\s,;]+", text)]
        for name, address in pairs:
            if _ADDRESS.fullmatch(address):
                found.setdefault(address, name)
    return [(name, address) for address, name in found.items()]


def _written(person: tuple[str, str]) -> Address:
    name, address = person
    user, _, domain = address.rpartition("@")
    return Address(name, user, domain)


async def send(mail: Mail, addresses: Sequence[str], title: str, body: str, seconds: float) -> None:
    """Sends a message through a mail server at one of its checked IP addresses. Raises Undelivered, and Refused.

    `seconds` is the timeout of a connection. Cancelling this also ends the thread that sends.
    """
    letters = mail.letters(title, body)
    connection = await _connected(mail, addresses, seconds)
    try:
        await asyncio.to_thread(_send, connection, mail, letters, seconds)
    finally:
        # Ends all waits of the thread.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


async def _connected(mail: Mail, addresses: Sequence[str], seconds: float) -> socket.socket:
    """A connection to the first address that accepts one."""
    for address in addresses:
        connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_connect(connection, (address, mail.port))
        except OSError:
            connection.close()
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise Undelivered(f"The mail server {mail.host} cannot be reached on port {mail.port}")


def _send(
    connection: socket.socket, mail: Mail, letters: Sequence[tuple[list[str], EmailMessage]], seconds: float
) -> None:
    faults = []
    try:
        session = _session(connection, mail, seconds)
        try:
            for addresses, letter in letters:
                try:
                    refused = session.sendmail(mail.sender[1], addresses, letter.as_bytes())
                    faults += [_reply(*answer) for answer in refused.values()]
                except smtplib.SMTPRecipientsRefused as error:
                    faults += [_reply(*answer) for answer in error.recipients.values()]
                except smtplib.SMTPResponseException as error:
                    faults.append(_reply(error.smtp_code, error.smtp_error))
            # The response is ignored: an accepted message must not be sent again.
            session.putcmd("quit")
        finally:
            session.close()
    except smtplib.SMTPResponseException as error:
        faults.append(_reply(error.smtp_code, error.smtp_error))
    except smtplib.SMTPServerDisconnected:
        faults.append(f"The mail server {mail.host} closed the connection")
    except (smtplib.SMTPException, OSError) as error:
        faults.append(f"The mail server {mail.host} failed: {error}")
    except UnicodeError:
        faults.append("User and password of a mail server must be ASCII")
    if faults:
        raise Undelivered("; ".join(dict.fromkeys(faults))[:500])


def _session(connection: socket.socket, mail: Mail, seconds: float) -> smtplib.SMTP:
    """A session with the encryption and login of the URL."""
    # A duplicate, because the caller may close the original at any time.
    own: socket.socket = connection.dup()
    session: smtplib.SMTP | None = None
    try:
        own.settimeout(seconds)
        context = ssl.create_default_context()
        if not mail.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        host = mail.host.strip("[]")
        if mail.security == "ssl":
            own = context.wrap_socket(own, server_hostname=host)
        session = _Session(own, host, mail.port, seconds)
        if mail.security == "starttls":
            session.starttls(context=context)
        if mail.user and mail.password:
            session.login(mail.user, mail.password)
    except BaseException:
        if session is not None:
            session.close()
        own.close()
        raise
    return session


class _Session(smtplib.SMTP):
    """Uses an existing connection, which is to a checked IP address."""

    def __init__(self, connection: socket.socket, host: str, port: int, seconds: float) -> None:
        self._connection = connection
        super().__init__(host, port, timeout=seconds)

    def _get_socket(self, *_: Any) -> socket.socket:
        return self._connection


def _reply(code: int, text: bytes | str) -> str:
    words = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    return f"The mail server replied {code} {' '.join(words.split())}"[:200]
