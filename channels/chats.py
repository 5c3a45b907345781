"""The requests that send messages to Slack and Discord."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from channels.errors import Refused
from channels.service_urls import ServiceUrl, read

SLACK = "https://hooks.slack.com"
SLACK_GOV = "https://hooks.slack-gov.com"
SLACK_API = "https://slack.com/api/chat.postMessage"
DISCORD = "https://discord.com/api/webhooks"
_SENDER = "LLMLab"
_COLOR = 0x3AA3E3
# https://docs.discord.com/developers/resources/webhook: more than this is an error.
_DISCORD_CHARACTERS = 2000

_SLACK_HOOK = re.compile(r"https?://hooks\.slack(-gov)?\.com/services/(\w+/\w+/\w+)/?(\?.*)?", re.IGNORECASE)
_SLACK_FLOW = re.compile(r"https?://hooks\.slack\.com/(workflow|trigger)s/([\w/-]+?)/?(\?.*)?", re.IGNORECASE)
_DISCORD_HOOK = re.compile(r"https?://discord(?:app)?\.com/api/webhooks/(\d+/[\w-]+)/?(\?.*)?", re.IGNORECASE)
_SLACK_BOT = re.compile(r"(xoxe\.)?xox[abp]-[A-Z0-9-]+", re.IGNORECASE)
_SLACK_CHANNEL = re.compile(r"([+#@]?)([\w-]{1,32})(?::([\d.]+))?", re.ASCII)
_PING = re.compile(r"<?@(&?)(\d+)>?|@([a-z0-9]+)", re.IGNORECASE)
# Special characters of Markdown outside of URLs.
_MARKDOWN = re.compile(r"(https?://\S+)|([\\`*_~|>#\[\]])")


class Post(NamedTuple):
    """A JSON request. If `answers_ok`, success is the field `ok` of the response, not its status."""

    url: str
    payload: Mapping[str, Any]
    headers: Mapping[str, str] = {}
    answers_ok: bool = False


class Slack(NamedTuple):
    """A Slack target: an incoming webhook, a workflow, or channels of a bot."""

    url: str
    address: ServiceUrl
    # The name of each channel and its thread; None for the default channel of the webhook.
    channels: Sequence[tuple[str, str | None] | None] = (None,)
    bot: str | None = None
    is_workflow: bool = False

    def posts(self, title: str, body: str) -> list[Post]:
        """The requests for a message, one for each channel."""
        text = _slack_text(body)
        if self.is_workflow:
            return [Post(self.url, {"text": f"{_slack_text(title)}: {text}"})]
        if self.address.wants("blocks"):
            payload = self._blocks(_slack_text(title), text)
        else:
            payload = self._attachment(_slack_text(title), text)
        if self.address.user:
            payload["username"] = self.address.user
        headers = {"Authorization": f"Bearer {self.bot}", "Accept-Encoding": "identity"} if self.bot else {}
        posts = []
        for channel in self.channels:
            place = {}
            if channel is not None:
                name, thread = channel
                place = {"channel": name, **({"thread_ts": thread} if thread else {})}
            posts.append(Post(self.url, {**payload, **place}, headers, answers_ok=self.bot is not None))
        return posts

    def _attachment(self, title: str, text: str) -> dict[str, Any]:
        attachment: dict[str, Any] = {"title": title, "text": text, "color": f"#{_COLOR:X}"}
        if self.address.allows("footer"):
            attachment["footer"] = _SENDER
            if self.address.allows("timestamp"):
                attachment["ts"] = time.time()
        return {"mrkdwn": False, "attachments": [attachment]}

    def _blocks(self, title: str, text: str) -> dict[str, Any]:
        blocks: list[dict[str, Any]] = [
            {"type": "header", "text": {"type": "plain_text", "text": title, "emoji": True}},
            {"type": "section", "text": {"type": "plain_text", "text": text}},
        ]
        if self.address.allows("footer"):
            blocks.append({"type": "context", "elements": [{"type": "plain_text", "text": _SENDER}]})
        return {"attachments": [{"blocks": blocks, "color": f"#{_COLOR:X}"}]}


class Discord(NamedTuple):
    """A Discord webhook."""

    url: str
    address: ServiceUrl

    def posts(self, title: str, body: str) -> list[Post]:
        """The request for a message."""
        options = self.address.options
        payload: dict[str, Any] = {"tts": self.address.wants("tts"), **self._mentions()}
        if name := options.get("botname") or self.address.user:
            payload["username"] = name
        if picture := options.get("avatar_url"):
            payload["avatar_url"] = picture
        if flags := options.get("flags"):
            payload["flags"] = int(flags)
        thread, link = options.get("thread"), options.get("href") or options.get("url")
        if thread or options.get("url") or options.get("format", "").lower() == "markdown":
            card = {
                "author": {"name": _SENDER},
                "title": title,
                "description": _MARKDOWN.sub(lambda found: found[1] or f"\\{found[2]}", body),
                "color": _COLOR,
                **({"url": link} if link else {}),
                **({"footer": {"text": _SENDER}} if self.address.wants("footer") else {}),
            }
            payload["embeds"] = [card]
        else:
            ping = payload.get("content", "")
            payload["content"] = f"{title}\r\n{body}"[: _DISCORD_CHARACTERS - len(ping)] + ping
        return [Post(f"{self.url}?thread_id={thread}" if thread else self.url, payload)]

    def _mentions(self) -> dict[str, Any]:
        """The mentions of the URL. Mentions within the message are disabled."""
        found = _PING.findall(self.address.options.get("ping", ""))
        words = [f"@{word}" if word else f"<@{role}{number}>" for role, number, word in found]
        allowed: dict[str, Any] = {
            "parse": ["everyone"] if any(word in ("here", "everyone") for _, _, word in found) else [],
            "users": [number for role, number, word in found if not (role or word)],
            "roles": [number for role, number, word in found if role],
        }
        return {"allowed_mentions": allowed, **({"content": f"👉 {' '.join(words)}"} if words else {})}


def read_slack(url: str) -> Slack | None:
    """Parses a Slack URL: an https webhook or slack://. None for another service, and for people by e-mail address,
    which requires Apprise. Raises Refused if it is not valid.
    """
    hook, flow = _SLACK_HOOK.fullmatch(url), _SLACK_FLOW.fullmatch(url)
    if hook:
        url = f"slack://{hook[2]}/{hook[3] or ''}"
    elif flow:
        url = f"slack://{flow[2]}/{flow[3] or ''}"
    elif not url.lower().startswith("slack://"):
        return None
    parts = read(url)
    tokens, others = [parts.host, *parts.path], parts.options.get("to", "")
    mode = flow[1].lower() if flow else "gov-hook" if hook and hook[1] else parts.options.get("mode") or "hook"
    if mode[0] in "wt":
        name = "workflows" if mode[0] == "w" else "triggers"
        if len(tokens) != (4 if mode[0] == "w" else 3):
            raise Refused("This is not a Slack URL")
        return Slack(f"{SLACK}/{name}/{'/'.join(tokens)}", parts, is_workflow=True)
    if given := parts.options.get("token"):
        named = [token for token in re.split(r"[\s,#\\/]+", given) if token]
        tokens = [*named, *(tokens[1:] if tokens[0].startswith("xo") else tokens[3:])]
    is_bot = bool(_SLACK_BOT.fullmatch(tokens[0]))
    size = 1 if is_bot else 3
    keys, names = tokens[:size], [*tokens[size:], *re.split(r"[\s,/\\]+", others)]
    if not is_bot and not (len(keys) == 3 and all(re.fullmatch("[A-Za-z0-9]+", key) for key in keys)):
        raise Refused("This is not a Slack URL")
    names = sorted({name for some in names for name in re.split(r"[\s,;]+", some) if name})
    if any("@" in name[1:] for name in names):
        return None
    channels: list[tuple[str, str | None] | None] = [_slack_channel(name) for name in names]
    channels = channels or ([("#general", None)] if is_bot else [None])
    if is_bot:
        return Slack(SLACK_API, parts, channels, bot=keys[0])
    return Slack(f"{SLACK_GOV if mode[0] == 'g' else SLACK}/services/{'/'.join(keys)}", parts, channels)


def _slack_channel(name: str) -> tuple[str, str | None]:
    parts = _SLACK_CHANNEL.fullmatch(name)
    if parts is None:
        raise Refused("This is not a Slack channel")
    sign, name, thread = parts.groups()
    # An id is sent unchanged.
    return ("" if sign == "+" else sign or "#") + name, thread


def _slack_text(text: str) -> str:
    """Escapes links and mentions for Slack (https://docs.slack.dev/messaging/formatting-message-text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def read_discord(url: str) -> Discord | None:
    """Parses a Discord URL: an https webhook or discord://. None for another service.

    Raises Refused if it is not valid.
    """
    if hook := _DISCORD_HOOK.fullmatch(url):
        url = f"discord://{hook[1]}/{hook[2] or ''}"
    elif not url.lower().startswith("discord://"):
        return None
    parts = read(url)
    if not (parts.path and all(re.fullmatch(r"[\w-]+", key, re.ASCII) for key in (parts.host, parts.path[0]))):
        raise Refused("This is not a Discord URL")
    for name in ("thread", "flags"):
        if not re.fullmatch(r"\d{0,20}", parts.options.get(name, ""), re.ASCII):
            raise Refused(f"{name} of a Discord URL must be a number")
    return Discord(f"{DISCORD}/{parts.host}/{parts.path[0]}", parts)
