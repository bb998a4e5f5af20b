"""Single mails from templates: kept as they were rendered, sent by a consumer of the queue, at least once."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from clientway import effects, normalise
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable
from clientway.ids import uuid7
from clientway.messaging import links
from clientway.messaging.campaigns.content import variables
from clientway.messaging.mails import queries
from clientway.messaging.mails.schemas import EmailMessageCreate
from clientway.messaging.settings import service as messaging_settings
from clientway.messaging.templates import queries as people
from clientway.messaging.templates import rules
from clientway.messaging.templates import service as templates
from clientway.messaging.templates.rules import Rendered, Source
from clientway.paging import Request

TOPIC: Final = "message.send"
STALE: Final = timedelta(minutes=20)
"""Longer than the queue waits before it delivers a message again."""
MOST_ATTEMPTS: Final = 12
_AT_ONCE = 100


class MailNotFailed(Conflict):
    """409: the mail has not failed, so that there is nothing to retry; `status` says what it is."""

    code, title = "mail_not_failed", "Mail not failed"


def find(
    tx: Tx, request: Request, *, status: str | None, contact_id: UUID | None, created_from: datetime | None, created_before: datetime | None
) -> Any:
    """A page of mails."""
    return queries.find(tx, request, status=status, contact_id=contact_id, created_from=created_from, created_before=created_before)


def read(tx: Tx, message_id: UUID) -> Any:
    """One mail. Raises NotFound (404)."""
    answer = queries.read(tx, message_id)
    if answer is None:
        raise NotFound("There is no such mail.")
    return answer


def create(tx: Tx, asked: EmailMessageCreate) -> Any:
    """Render a mail, keep it and have it sent after the commit.

    Raises Unprocessable (422) for an unknown contact or template, an address that is none, a contact without one, and a mail
    without words; TemplateRefused (422) for the subject.
    """
    to, recipient, source = _recipient(tx, asked)
    if asked.subject is not None:
        rules.require("email", asked.subject, "-")
        source = Source(asked.subject, source.text, source.html)
    of = messaging_settings.of(tx)
    rendered = rules.render(source, {**recipient, "tenant": of.variables, "data": asked.data})
    if rendered.empty:
        raise Unprocessable("The mail would be empty.", errors=[FieldError("#/data", "says_nothing", "the template renders empty with it")])
    message_id = uuid7()
    row = {
        "contact_id": asked.contact_id, "to": to, "template": asked.template, "data": asked.data, "subject": rendered.subject,
        "body_text": rendered.text, "body_html": rendered.html,
    }  # fmt: skip
    answer = queries.insert(tx, message_id, row)
    told = {"contact_id": asked.contact_id, "recipients": len(to), "template": asked.template}
    effects.audit(tx, "email_message.created", "email_message", message_id, told)
    effects.publish(tx, TOPIC, {"email_message_id": message_id})
    return answer


def send_rendered(tx: Tx, to: list[str], rendered: Rendered, *, template: str) -> Any:
    """Have a mail sent that has been rendered already, under a name for what it is."""
    message_id = uuid7()
    row: dict[str, Any] = {
        "contact_id": None, "to": to, "template": template, "data": {}, "subject": rendered.subject, "body_text": rendered.text,
        "body_html": rendered.html,
    }  # fmt: skip
    answer = queries.insert(tx, message_id, row)
    effects.audit(tx, "email_message.created", "email_message", message_id, {"recipients": len(to), "template": template})
    effects.publish(tx, TOPIC, {"email_message_id": message_id})
    return answer


def retry(tx: Tx, message_id: UUID) -> Any:
    """Have a mail that failed sent again, as it stands. Raises NotFound (404), MailNotFailed (409)."""
    status = queries.lock_status(tx, message_id)
    if status is None:
        raise NotFound("There is no such mail.")
    if status != "failed":
        raise MailNotFailed(f"The mail is {status}: only one that failed is sent again.", mail_status=status)
    answer = queries.again(tx, message_id)
    effects.audit(tx, "email_message.retried", "email_message", message_id)
    effects.publish(tx, TOPIC, {"email_message_id": message_id})
    return answer


def retry_stale(tx: Tx) -> int:
    """Put mails into the queue again that nobody has touched for STALE: their message was lost, or their worker.

    Returns how many. One that was tried MOST_ATTEMPTS times has failed.
    """
    found = queries.release_stale(tx, tx.now - STALE, attempts=MOST_ATTEMPTS, most=_AT_ONCE)
    for message_id, status in found:
        if status == "pending":
            effects.publish(tx, TOPIC, {"email_message_id": message_id})
    return len(found)


def _recipient(tx: Tx, asked: EmailMessageCreate) -> tuple[list[str], dict[str, Any], Source]:
    """The addresses, what a template may say of whoever it is, and the template."""
    try:
        if asked.contact_id is None:
            return _addresses(asked), {}, templates.source(tx, asked.template, "email")
        found = people.person_and_source(tx, asked.contact_id, asked.template)
        if found is None:
            error = FieldError("#/contact_id", "unknown_contact", "not a contact of this tenant")
            raise Unprocessable("The mail has no recipient.", errors=[error])
        person, own = found
        source = own or templates.built_in(asked.template, "email")
    except NotFound:
        raise templates.unknown("#/template") from None
    if person["email_norm"] is None:
        raise Unprocessable("The contact has no address.", errors=[FieldError("#/contact_id", "no_address", "has no e-mail address")])
    url = links.unsubscribe_url(tx.tenant_id, asked.contact_id, "email")
    return [person["email_norm"]], {**variables(person), "unsubscribe_url": url}, source


def _addresses(asked: EmailMessageCreate) -> list[str]:
    """Each address once, in the one form that suppressions know it by."""
    given = [normalise.email(address) for address in asked.to or ()]
    errors = [FieldError(f"#/to/{n}", "invalid_email", "not an e-mail address") for n, address in enumerate(given) if address is None]
    if errors:
        raise Unprocessable("The mail cannot be sent like this.", errors=errors)
    return list(dict.fromkeys(address for address in given if address is not None))
