"""A chunk of a campaign, to the provider: each recipient at most once.

Recipients are claimed in waves, with a lease and a token, and that is committed before the provider is called, for all of a
wave at once. What comes of the calls is written down under that token. Where a worker dies in between, nobody knows whether
the provider was called: the sends become `unknown` and are settled by the provider's events; they are never sent again.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal, TypeVar
from uuid import UUID, uuid4

from clientway import db
from clientway.messaging import links
from clientway.messaging.campaigns import chunks, claims, freezing, launching
from clientway.messaging.campaigns import content as contents
from clientway.messaging.campaigns.claims import MOST_ATTEMPTS, Content, Recipient, Result
from clientway.messaging.delivery import calls, providers
from clientway.messaging.delivery.message import OPTED_OUT, OPTED_OUT_SAID, THROTTLED, Outgoing, Refused, Unclear
from clientway.messaging.delivery.pace import Came, Pace
from clientway.messaging.suppressions import service as suppressions
from clientway.messaging.templates.rules import EMPTY
from clientway.schemas import Id, Schema

logger = logging.getLogger(__name__)

_BACKOFF: Final = 60.0
"""Seconds until a recipient is tried again whose message was refused for now; then twice as many, and so on."""
_DATABASE_PATIENCE: Final = (0.1, 0.5, 1.0, 2.0, 4.0)
_FOR_NOW: Final = (db.Unavailable, db.LockTimeout, db.SerializationConflict, db.StatementTimeout)

Clock = Callable[[], datetime | None]
T = TypeVar("T")


class Payload(Schema):
    """What an outbox row of the topics campaign.* holds."""

    campaign_id: Id
    chunk: int | None = None
    turn: datetime | None = None
    delay_seconds: int | None = None


class Message(Schema):
    """The queue's message: an outbox row."""

    id: Id
    tenant_id: Id
    topic: Literal["campaign.cancel", "campaign.chunk", "campaign.freeze"]
    payload: Payload


def work(body: str, *, until: Callable[[], bool] = lambda: False, clock: Clock = lambda: None) -> int:
    """Do what one message of CampaignQueue says, until it is done or `until` says that time is nearly up.

    It is a freezing, a chunk, or what is left of a canceling. Returns how many messages the provider took. Raises
    ValidationError for no message of ours, and what the database raises; then the message comes again. `clock` may say
    what time it is for the database's rows; None is now.
    """
    message = Message.model_validate_json(body)
    campaign_id, chunk, turn = message.payload.campaign_id, message.payload.chunk, message.payload.turn
    if message.topic != "campaign.chunk":
        with db.job_transaction(message.tenant_id, now=clock()) as tx:
            if message.topic == "campaign.cancel":
                launching.cancel_rest(tx, campaign_id)
            else:
                freezing.freeze(tx, campaign_id)
                chunks.pump(tx, campaign_id)
        return 0
    if chunk is None or turn is None:
        raise ValueError("a chunk's message names its chunk and its turn")
    return _Worker(message.tenant_id, campaign_id, chunk, turn, until, clock).run()


@dataclass
class _Worker:
    """One chunk in one turn."""

    tenant_id: UUID
    campaign_id: UUID
    chunk: int
    turn: datetime
    until: Callable[[], bool]
    clock: Clock
    content: Content | None = None
    pace: Pace = field(default_factory=Pace)
    opted_out: list[Recipient] = field(default_factory=list)

    def run(self) -> int:
        """Wave after wave; returns how many messages the provider took."""
        sent = 0
        while not (self.pace.tired or self.until()):
            most = self.pace.width
            token, claimed = persistently(self._claim)
            if claimed.recipients and self.until():
                # The claim took what time there was.
                persistently(lambda: self._hand_back(token))  # noqa: B023  (it is called here)
                break
            results = self._deliver(token, claimed.recipients)
            sent += sum(one.state == "sent" for one in results)
            if claimed.seen < most and not any(one.back for one in results):
                break
            if results and self.pace.wait:
                pause(self.pace.wait)
        self._settle(in_vain=not sent)
        return sent

    def _claim(self) -> tuple[UUID, claims.Claimed]:
        """Claim a wave under a token of its own."""
        token = uuid4()
        try:
            with db.job_transaction(self.tenant_id, now=self.clock()) as tx:
                self.content = self.content or claims.content(tx, self.campaign_id)
                if self.content is None:
                    return token, claims.Claimed([], 0)
                return token, claims.claim(tx, self.content, self.chunk, self.turn, token, self.pace.width)
        except db.CommitUnknown:
            # Whether they are claimed is not known; that none of them was tried is. So they may be claimed again.
            persistently(lambda: self._hand_back(token))
            raise

    def _hand_back(self, token: UUID) -> None:
        with db.job_transaction(self.tenant_id, now=self.clock()) as tx:
            claims.hand_back(tx, self.campaign_id, token)

    def _deliver(self, token: UUID, recipients: list[Recipient]) -> list[Result]:
        """Call the provider for all of them together, learn from how that went, and write it down."""
        if self.content is None or not recipients:
            return []
        content = self.content
        results = calls.at_once(lambda one: self._one(content, one), recipients)
        asked = [came(one) for one in results if one.state != "skipped"]
        if asked:
            self.pace.felt(asked)
        if self.pace.tired:
            # The provider is away, or our account is in trouble: that says nothing about these messages. Whose answer was
            # lost stays unknown all the same; but no more become so than are on their way when it is seen.
            results = [replace(one, back=one.state == "queued") for one in results]
        results = [self._given_up(*both) for both in zip(recipients, results, strict=True)]
        self._record(content, token, results)
        return results

    def _given_up(self, to: Recipient, result: Result) -> Result:
        """What was refused for now the last time that it may be is failed."""
        tried_enough = result.delay is not None and not result.back and to.attempts >= MOST_ATTEMPTS
        return replace(result, state="failed", delay=None) if tried_enough else result

    def _one(self, content: Content, to: Recipient) -> Result:
        try:
            message = outgoing(self.tenant_id, content, to)
        except Exception:
            logger.exception("a message could not be written", extra={"send_id": str(to.id)})
            return Result(to.id, "failed", "the message could not be written")
        if message is None:
            return Result(to.id, "skipped", EMPTY)
        try:
            return Result(to.id, "sent", provider_message_id=providers.send(message, once=True))
        except Refused as refused:
            return self._refused(to, refused)
        except Unclear as unclear:
            return Result(to.id, "unknown", f"the provider's answer was lost: {unclear}"[:500])
        except Exception as failure:
            # Whatever it is, the provider may have been called.
            logger.exception("a provider failed in a way that nobody knows", extra={"send_id": str(to.id)})
            return Result(to.id, "unknown", f"the provider's answer was lost: {type(failure).__name__}")

    def _refused(self, to: Recipient, refused: Refused) -> Result:
        """It was certainly not sent: another time, unless that is no use."""
        why = str(refused)[:500]
        if refused.code == THROTTLED:
            # That says nothing about this message.
            return Result(to.id, "queued", why, back=True)
        if refused.retryable:
            return Result(to.id, "queued", why, delay=_BACKOFF * 2 ** (to.attempts - 1))
        if refused.code == OPTED_OUT:
            # The provider has heard a STOP that we have not. (Threads may append to one list.)
            self.opted_out.append(to)
        return Result(to.id, "failed", why)

    def _record(self, content: Content, token: UUID, results: list[Result]) -> None:
        def record() -> None:
            with db.job_transaction(self.tenant_id, now=self.clock()) as tx:
                claims.record(tx, content, token, results)
                for one in self.opted_out:
                    suppressions.suppress(tx, content.channel, one.address, "stop", contact_id=one.contact_id, detail=OPTED_OUT_SAID)

        persistently(record)
        self.opted_out.clear()

    def _settle(self, *, in_vain: bool) -> None:
        def settle() -> bool:
            with db.job_transaction(self.tenant_id, now=self.clock()) as tx:
                return chunks.settle(tx, self.campaign_id, self.chunk, self.turn, tired=self.pace.tired, in_vain=in_vain)

        def finish() -> None:
            with db.job_transaction(self.tenant_id, now=self.clock()) as tx:
                chunks.finish(tx, self.campaign_id)

        if persistently(settle):
            persistently(finish)


def came(result: Result) -> Came:
    """What a result says of the provider."""
    if result.back:
        return "throttled"
    return "troubled" if result.delay is not None or result.state == "unknown" else "answered"


def outgoing(tenant_id: UUID, content: Content, to: Recipient) -> Outgoing | None:
    """The message for a recipient as the provider takes it; None for one that would say nothing.

    Raises TemplateRefused for words that cannot be used.
    """
    marketing, email = content.purpose == "marketing", content.channel == "email"
    url = links.unsubscribe_url(tenant_id, to.contact_id, content.channel, send_id=to.id)
    rendered = contents.message(
        content.source, channel=content.channel, purpose=content.purpose, of=content.settings, recipient=to.variables, unsubscribe_url=url
    )
    if rendered.empty:
        return None
    return Outgoing(
        kind="campaign_send", id=to.id, tenant_id=tenant_id, channel=content.channel, to=(to.address,), text=rendered.text,
        subject=rendered.subject, html=rendered.html, from_name=content.settings.sender_name, reply_to=content.settings.reply_to,
        sms_sender=content.settings.sms_sender, promotional=marketing, unsubscribe_url=url if marketing and email else None,
    )  # fmt: skip


def persistently(act: Callable[[], T]) -> T:
    """Do what must not be lost, again and again while the database is away. It may have been done before: it counts once."""
    for seconds in _DATABASE_PATIENCE:
        try:
            return act()
        except _FOR_NOW:
            logger.warning("the database is away; trying again", extra={"seconds": seconds})
        pause(seconds)
    return act()


def pause(seconds: float) -> None:
    """Wait. Tests have no time for it."""
    time.sleep(seconds)
