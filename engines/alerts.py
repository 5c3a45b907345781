"""The alert engine: where alerts go, and the task that brings them there."""

import asyncio
import logging
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from database import Database
from schemas.alerts import (
    Alert,
    AlertChannel,
    AlertChannelChange,
    AlertChannelIn,
    AlertChannels,
    AlertPage,
    AnomalyDetails,
    BudgetOfAlert,
    DigestDetails,
    DueDelivery,
    NewAlertChannel,
)
from schemas.identities import Identity
from schemas.live import Changed
from utils import json
from utils.background import Background
from utils.cipher import CannotDecrypt, Cipher
from utils.cursors import page, read_cursor, write_cursor
from utils.errors import Invalid
from utils.ids import uuid7
from utils.keys import WEBHOOK_SECRET_PREFIX, new_key
from utils.outbound import Outbound, Refused, Undelivered
from utils.time import now

# Seconds between one attempt and the next; after the last one a delivery is dead.
BACKOFF = (5.0, 30.0, 120.0, 600.0, 3600.0)
_AT_ONCE = 20
_LOOK_EVERY_SECONDS = 1.0
# Longer than any attempt takes: whoever has not ended by then has died.
_LEASE = timedelta(seconds=60)

log = logging.getLogger("llmlab.alerts")


class AlertEngine:
    """Keeps the channels, lists what was told, and delivers it: at least once, and once if nobody dies in between.

    `changed` is called whenever an alert was queued or an attempt to deliver one has ended, and for the channels.
    """

    def __init__(
        self,
        database: Database,
        cipher: Cipher,
        outbound: Outbound,
        link: str,
        changed: Changed,
        backoff: Sequence[float] = BACKOFF,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._outbound = outbound
        self._link = link
        self._changed = changed
        self.backoff = backoff
        self.delivering = Background("Alerts", self._deliver_due, _LOOK_EVERY_SECONDS)

    async def alerts(self, identity: Identity, cursor: str | None, limit: int) -> AlertPage:
        """What was told and what became of it, newest first."""
        before = None if cursor is None else read_cursor(cursor)
        found = await self._database.alert_list(identity.workspace_id, before, limit + 1)
        rows, next_cursor = page(found, limit, lambda last: write_cursor(last.created_at, last.id))
        return AlertPage(count=len(rows), alerts=rows, next_cursor=next_cursor)

    async def test(self, identity: Identity, channel_id: UUID) -> Alert:
        """Queues a message that only says that it arrives. Raises NotFound."""
        at = now()
        alert = await self._database.alert_test(identity.workspace_id, uuid7(at), channel_id, at)
        self._changed(identity.workspace_id, "alerts")
        return alert

    async def resend(self, identity: Identity, alert_id: UUID) -> Alert:
        """Queues an alert anew for every channel. Raises NotFound, and Conflict when there is no channel."""
        alert = await self._database.alert_resend(identity.workspace_id, alert_id, now())
        self._changed(identity.workspace_id, "alerts")
        return alert

    # Channels

    async def channels(self, identity: Identity) -> AlertChannels:
        """The channels, without their secrets."""
        return AlertChannels(channels=await self._database.channel_list(identity.workspace_id))

    async def create_channel(self, identity: Identity, new: AlertChannelIn) -> NewAlertChannel:
        """Keeps a channel, encrypted; the secret a webhook is signed with is shown this once.

        Raises Invalid for an address that cannot be used, and Conflict when there is a channel of that name.
        """
        at = now()
        url = new.url.get_secret_value()
        try:
            target = await self._outbound.check(new.kind, url)
        except Refused as error:
            raise Invalid(str(error), loc=("body", "url")) from None
        secret = new_key(WEBHOOK_SECRET_PREFIX) if new.kind == "webhook" else None
        channel = NewAlertChannel(
            id=uuid7(at),
            kind=new.kind,
            name=new.name,
            target=target,
            digest=new.digest,
            created_by=identity.user_id,
            created_at=at,
            signing_secret=secret,
        )
        kept = json.dumps({"url": url, "secret": secret}).decode()
        sealed = self._cipher.encrypt(kept, _place(identity.workspace_id, channel.id))
        await self._database.channel_create(identity, AlertChannel(**channel.__dict__), sealed)
        self._changed(identity.workspace_id, "alerts")
        return channel

    async def change_channel(self, identity: Identity, channel_id: UUID, change: AlertChannelChange) -> AlertChannel:
        """Changes whether a channel gets digests. Raises NotFound."""
        channel = await self._database.channel_update(identity, channel_id, change.digest, now())
        self._changed(identity.workspace_id, "alerts")
        return channel

    async def delete_channel(self, identity: Identity, channel_id: UUID) -> None:
        """Forgets a channel. Raises NotFound."""
        await self._database.channel_delete(identity, channel_id, now())
        self._changed(identity.workspace_id, "alerts")

    async def reencrypt(self, workspace_id: UUID) -> int:
        """Encrypts what is under an older key under the newest one; returns how many channels that were.

        Raises CannotDecrypt when one was encrypted under a key that is not set any more.
        """
        changed = 0
        for channel in await self._database.channel_ciphertexts(workspace_id):
            if not self._cipher.is_current(channel.ciphertext):
                place = _place(workspace_id, channel.id)
                fresh = self._cipher.encrypt(self._cipher.decrypt(channel.ciphertext, place), place)
                changed += await self._database.channel_reencrypt(workspace_id, channel.id, channel.ciphertext, fresh)
        return changed

    # Delivery

    async def _deliver_due(self) -> bool:
        """Tries what is due by now, some at once; returns whether there may be more."""
        at = now()
        due = await self._database.delivery_claim(at, at + _LEASE, _AT_ONCE)
        await asyncio.gather(*[self._deliver(delivery) for delivery in due])
        return len(due) == _AT_ONCE

    async def _deliver(self, due: DueDelivery) -> None:
        error = None
        try:
            await self._send(due)
        except (Undelivered, Refused) as failure:
            error = str(failure)
        except CannotDecrypt:
            error = "The channel was encrypted with a key that is not set any more"
        except Exception as failure:
            # A fault of ours, or of a library, with this one must not hold up the others.
            log.exception("An alert could not be sent")
            error = type(failure).__name__
        at = now()
        retry_at = None
        if error is not None and due.attempt <= len(self.backoff):
            # Some earlier, some later, so that what failed together is not tried again together.
            retry_at = at + timedelta(seconds=self.backoff[due.attempt - 1] * random.uniform(0.8, 1.2))  # noqa: S311
        await self._database.delivery_done(due, error, retry_at, at)
        self._changed(due.workspace_id, "alerts")

    async def _send(self, due: DueDelivery) -> None:
        channel = json.loads(self._cipher.decrypt(due.ciphertext, _place(due.workspace_id, due.channel_id)).encode())
        title, body = message(due, self._link)
        if due.channel_kind == "webhook":
            payload = json.dumps(webhook_payload(due, f"{title}\n{body}", self._link))
            await self._outbound.webhook(channel["url"], channel["secret"], str(due.id), payload)
        else:
            await self._outbound.notify(channel["url"], title, body)


def message(due: DueDelivery, link: str) -> tuple[str, str]:
    """What an alert says to people: a title and a text."""
    alert, budget = due.alert, due.budget
    if budget is not None and alert.spend is not None:
        title = f"Budget {budget.name}: {_digits(_percent(budget, alert.spend))} % spent"
        zone = ZoneInfo(budget.tz)
        start, end = (moment.astimezone(zone) for moment in (budget.period_start, budget.period_end))
        lines = [
            f"{_digits(alert.spend)} USD of the limit of {_digits(budget.limit)} USD are spent "
            f"({_digits(_percent(budget, alert.spend))} %; the threshold is {_digits(alert.threshold)} %).",
            f"Period: {budget.period}, {_minute(start)} to {_minute(end)} ({budget.tz})",
        ]
        if budget.contributors:
            lines.append("Most of it:")
            lines += [f"- {part.provider}/{part.model}: {_digits(part.cost)} USD" for part in budget.contributors]
    elif alert.kind == "unpriced_model":
        title = f"{alert.subject} has no known price"
        lines = [
            "Calls of this model were recorded without a cost: they are in no total and count against no budget.",
            "Set a price of your own for it to change that.",
        ]
    elif isinstance(alert.details, AnomalyDetails):
        found = alert.details
        title = f"{alert.subject} cost far more than usual"
        when = f"{found.date}" if found.hour is None else f"{found.date} from {found.hour:02}:00 on"
        lines = [
            f"{_digits(found.cost)} USD on {when}, where {_digits(_cents(found.expected_cost))} USD were to be "
            f"expected ({found.z_score:.1f} standard deviations)."
        ]
        if found.cause:
            lines.append(f"Cause: {found.cause}")
    elif isinstance(alert.details, DigestDetails):
        digest = alert.details
        days = f"{digest.start}" if digest.start == digest.end else f"{digest.start} to {digest.end}"
        title = f"{_digits(_cents(digest.cost))} USD on {days}"
        lines = [
            f"{_digits(digest.cost)} USD in {digest.calls} calls ({digest.tz}); "
            f"the {'day' if alert.subject == 'daily' else 'week'} before: {_digits(digest.previous_cost)} USD."
        ]
        if digest.unpriced_calls:
            lines.append(f"{digest.unpriced_calls} calls have no known price and are not in it.")
        if digest.models:
            lines.append("Most of it:")
            lines += [f"- {part.provider}/{part.model}: {_digits(part.cost)} USD" for part in digest.models]
    else:
        title = f"Test of the alert channel {alert.subject}"
        lines = ["Alerts arrive here."]
    return title, "\n".join([*lines, f"Workspace: {due.workspace}", link])


def webhook_payload(due: DueDelivery, text: str, link: str) -> dict[str, Any]:
    """What an alert says to programs. Money is in USD; `budget` is null for alerts without one."""
    alert, budget = due.alert, due.budget
    about = None
    if budget is not None and alert.spend is not None:
        about = {
            "id": budget.id,
            "name": budget.name,
            "limit": budget.limit,
            "spend": alert.spend,
            "percent": _percent(budget, alert.spend),
            "threshold": alert.threshold,
            "period": budget.period,
            "tz": budget.tz,
            "period_start": budget.period_start,
            "period_end": budget.period_end,
            "contributors": budget.contributors,
        }
    return {
        "id": alert.id,
        "delivery_id": due.id,
        "kind": alert.kind,
        "subject": alert.subject,
        "workspace_id": due.workspace_id,
        "workspace": due.workspace,
        "created_at": alert.created_at,
        "budget": about,
        "details": alert.details,
        "text": text,
        "link": link,
    }


def _percent(budget: BudgetOfAlert, spend: Decimal) -> Decimal:
    return (100 * spend / budget.limit).quantize(Decimal("0.1"))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))


def _digits(amount: Decimal | None) -> str:
    return json.dumps(amount).decode()


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _place(workspace_id: UUID, channel_id: UUID) -> str:
    return f"alert_channels/{workspace_id}/{channel_id}"
