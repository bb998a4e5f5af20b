"""Unsubscribing by the link in a message: no session, no cookie, no redirect. Looking changes nothing; saying so counts at once."""

from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus

from clientway.db import job_transaction
from clientway.errors import Unauthorized
from clientway.lifecycle.consents import service as consents
from clientway.messaging import links
from clientway.messaging.unsubscribe import forms, page, queries

_UNKNOWN = HTTPStatus.NOT_FOUND, page.unknown()


def look(token: str) -> tuple[HTTPStatus, str]:
    """The page behind the link. The database is asked for whom the signature names, and for nobody else."""
    known = links.read(token)
    if known is None:
        return _UNKNOWN
    with suppress(Unauthorized), job_transaction(known.tenant_id) as tx:
        row = queries.subscriber(tx, known.contact_id, known.channel)
        if row is not None:
            return HTTPStatus.OK, (page.done if row.unsubscribed else page.ask)(row.tenant, known.channel, row.address)
    # There is no such contact any more, nor perhaps such a tenant.
    return _UNKNOWN


def unsubscribe(token: str, content_type: str, body: str) -> tuple[HTTPStatus, str]:
    """End the subscription that the link is of; again is as good as once. A body that asks for nothing is answered by the question."""
    known, source = links.read(token), forms.wish(content_type, body)
    if known is None:
        return _UNKNOWN
    if source is None:
        status, asked = look(token)
        return (HTTPStatus.BAD_REQUEST if status is HTTPStatus.OK else status), asked
    now = datetime.now(UTC)
    evidence = {"campaign_send_id": str(known.send_id)} if known.send_id else {}
    with suppress(Unauthorized), job_transaction(known.tenant_id, now=now) as tx:
        settled = consents.settle(
            tx, known.contact_id, known.channel, ("marketing",), "denied", source=source, evidence=evidence, occurred_at=tx.now
        )
        if settled is None:
            return _UNKNOWN
        for event_id in settled.event_ids:
            queries.mark(
                tx, send_id=known.send_id, asked=known.contact_id, contact_id=settled.contact_id, channel=known.channel, source=source,
                event_id=event_id,
            )  # fmt: skip
        row = queries.subscriber(tx, settled.contact_id, known.channel)
        if row is not None:
            return HTTPStatus.OK, page.done(row.tenant, known.channel, row.address)
    return _UNKNOWN
