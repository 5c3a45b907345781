"""The alert engine: alerts, the channels they go to, and their delivery."""

import asyncio
import logging
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from channels.errors import Refused, Undelivered
from channels.outbound import Outbound
from database import Database
from engines.changes import Changes
from engines.encryption import channel_place
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
from utils import json
from utils.background import Background
from utils.cipher import CannotDecrypt, Cipher
from utils.cursors import page_of, read_cursor, write_cursor
from utils.errors import Invalid, Unavailable
from utils.ids import uuid7
from utils.keys import WEBHOOK_SECRET_PREFIX, new_key
from utils.money import dollars
from utils.time import now

# Seconds between one attempt and the next; after the last one a delivery is dead.
BACKOFF = (5.0, 30.0, 120.0, 600.0, 3600.0)
_AT_ONCE = 20
_LOOK_EVERY_SECONDS = 1.0
# Lease of a delivery, longer than any attempt takes: a process that has not ended it by then has died.
_LEASE = timedelta(seconds=60)
# What the limits of recording count.
_INGESTED = {"ingest_events": "events", "ingest_bytes": "bytes"}

log = logging.getLogger("llmlab.alerts")


class AlertEngine:
    """Keeps channels, lists alerts, and delivers them: at least once, and exactly once if no process dies meanwhile."""

    def __init__(
        self,
        database: Database,
        cipher: Cipher,
        outbound: Outbound,
        link: str,
        changes: Changes,
        backoff: Sequence[float] = BACKOFF,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._outbound = outbound
        self._link = link
        self._changes = changes
        self.backoff = backoff
        self.delivering = Background("Alerts", self._deliver_due, _LOOK_EVERY_SECONDS)

    async def alerts(self, identity: Identity, cursor: str | None, limit: int) -> AlertPage:
        """Alerts and their deliveries, newest first."""
        before = None if cursor is None else read_cursor(cursor)
        found = await self._database.alert_list(identity.workspace_id, before, limit + 1)
        page, next_cursor = page_of(found, limit, lambda alert: write_cursor(alert.created_at, alert.id))
        return AlertPage(count=len(page), alerts=page, next_cursor=next_cursor)

    async def test(self, identity: Identity, channel_id: UUID) -> Alert:
        """Queues a test message for a channel. Raises NotFound."""
        at = now()
        alert = await self._database.alert_test(identity.workspace_id, uuid7(at), channel_id, at)
        self._changes.note(identity.workspace_id, "alerts")
        return alert

    async def resend(self, identity: Identity, alert_id: UUID) -> Alert:
        """Queues an alert again for every channel. Raises NotFound, and Conflict when there is no channel."""
        alert = await self._database.alert_resend(identity.workspace_id, alert_id, now())
        self._changes.note(identity.workspace_id, "alerts")
        return alert

    # Channels

    async def channels(self, identity: Identity) -> AlertChannels:
        """The channels, without their secrets."""
        return AlertChannels(channels=await self._database.channel_list(identity.workspace_id))

    async def create_channel(self, identity: Identity, new: AlertChannelIn) -> NewAlertChannel:
        """Stores a channel, encrypted; the secret that signs webhooks is shown only now.

        Raises Invalid for an address that cannot be used, and Conflict for a name that is taken.
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
        sealed = self._cipher.encrypt(kept, channel_place(identity.workspace_id, channel.id))
        await self._database.channel_create(identity, AlertChannel(**channel.__dict__), sealed)
        self._changes.note(identity.workspace_id, "alerts")
        return channel

    async def change_channel(self, identity: Identity, channel_id: UUID, change: AlertChannelChange) -> AlertChannel:
        """Changes whether a channel gets digests. Raises NotFound."""
        channel = await self._database.channel_update(identity, channel_id, change.digest, now())
        self._changes.note(identity.workspace_id, "alerts")
        return channel

    async def delete_channel(self, identity: Identity, channel_id: UUID) -> None:
        """Deletes a channel. Raises NotFound."""
        await self._database.channel_delete(identity, channel_id, now())
        self._changes.note(identity.workspace_id, "alerts")

    # Delivery

    async def _deliver_due(self) -> bool:
        """Attempts a number of due deliveries at once; returns whether there may be more."""
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
            error = "The channel is encrypted with a key that is not in ENCRYPTION_KEY"
        except Exception as failure:
            # A fault of this server or a library with one delivery must not hold up the others.
            log.exception("Sending an alert failed")
            error = type(failure).__name__
        at = now()
        retry_at = None
        if error is not None and due.attempt <= len(self.backoff):
            # Jitter, so that deliveries that failed together are not retried together.
            retry_at = at + timedelta(seconds=self.backoff[due.attempt - 1] * random.uniform(0.8, 1.2))  # noqa: S311
        await self._database.delivery_done(due, error, retry_at, at)
        self._changes.note(due.workspace_id, "alerts")

    async def _send(self, due: DueDelivery) -> None:
        place = channel_place(due.workspace_id, due.channel_id)
        channel = json.loads(self._cipher.decrypt(due.ciphertext, place).encode())
        if due.budget is not None:
            due = due.model_copy(update={"budget": await self._with_contributors(due.workspace_id, due.budget)})
        title, body = message(due, self._link)
        if due.channel_kind == "webhook":
            payload = json.dumps(webhook_payload(due, f"{title}\n{body}", self._link))
            await self._outbound.webhook(channel["url"], channel["secret"], str(due.id), payload)
        else:
            await self._outbound.notify(channel["url"], title, body)

    async def _with_contributors(self, workspace_id: UUID, budget: BudgetOfAlert) -> BudgetOfAlert:
        """A budget with its most expensive models."""
        try:
            found = await self._database.budget_contributors(workspace_id, budget.id, budget.period_start)
        except Unavailable:
            # They can take too long to sum up, and an alert without them is better than none.
            return budget
        return budget.model_copy(update={"contributors": found})


def message(due: DueDelivery, link: str) -> tuple[str, str]:
    """The title and the text of an alert for people."""
    alert, budget = due.alert, due.budget
    if budget is not None and alert.spend is not None:
        title = f"Budget {budget.name}: {_digits(_percent(budget, alert.spend))}% spent"
        zone = ZoneInfo(budget.tz)
        start, end = (moment.astimezone(zone) for moment in (budget.period_start, budget.period_end))
        lines = [
            f"{dollars(alert.spend)} of {dollars(budget.limit)} spent "
            f"({_digits(_percent(budget, alert.spend))}%, threshold {_digits(alert.threshold)}%)",
            f"Period: {budget.period}, {_minute(start)} to {_minute(end)} ({budget.tz})",
        ]
        if budget.contributors:
            lines.append("Most expensive models:")
            lines += [f"- {part.provider}/{part.model}: {dollars(part.cost)}" for part in budget.contributors]
    elif alert.kind == "unpriced_model":
        title = f"{alert.subject} has no known price"
        lines = [
            "Calls of this model are recorded without a cost and are not part of any total or budget.",
            "Add a custom price to include future calls.",
        ]
    elif alert.kind == "refused_calls":
        title = "Calls were refused by the ingest limit; they may be lost"
        lines = [
            f"The workspace has sent more {_INGESTED[alert.subject]} per minute than this server takes.",
            "Clients that do not send again have lost their calls. The page of the API keys shows which were refused.",
        ]
    elif isinstance(alert.details, AnomalyDetails):
        found = alert.details
        title = f"{alert.subject} cost far more than usual"
        when = f"{found.date}" if found.hour is None else f"{found.date} from {found.hour:02}:00"
        lines = [
            f"{dollars(found.cost)} on {when}, expected {dollars(found.expected_cost)} "
            f"({found.z_score:.1f} standard deviations)"
        ]
        if found.cause:
            lines.append(f"Cause: {found.cause}")
    elif isinstance(alert.details, DigestDetails):
        digest = alert.details
        days = f"{digest.start}" if digest.start == digest.end else f"{digest.start} to {digest.end}"
        title = f"{alert.subject.capitalize()} digest for {days}: {dollars(digest.cost)}"
        lines = [
            f"{dollars(digest.cost)} in {digest.calls:,} calls ({digest.tz})",
            f"Previous {'day' if alert.subject == 'daily' else 'week'}: {dollars(digest.previous_cost)}",
        ]
        if digest.unpriced_calls:
            lines.append(f"{digest.unpriced_calls:,} calls without a known price are not included.")
        if digest.models:
            lines.append("Most expensive models:")
            lines += [f"- {part.provider}/{part.model}: {dollars(part.cost)}" for part in digest.models]
    else:
        title = f"Test message for the alert channel {alert.subject}"
        lines = ["This channel receives alerts."]
    return title, "\n".join([*lines, f"Workspace: {due.workspace}", link])


def webhook_payload(due: DueDelivery, text: str, link: str) -> dict[str, Any]:
    """The payload of an alert for programs. Amounts are in USD; `budget` is null for alerts without one."""
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


def _digits(amount: Decimal | None) -> str:
    return json.dumps(amount).decode()


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
