"""A campaign's message as one recipient would get it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text

from clientway import effects, normalise
from clientway.db import Tx
from clientway.errors import FieldError
from clientway.identity.members import service as members
from clientway.messaging.campaigns import content, queries
from clientway.messaging.campaigns.schemas import CampaignPreview, CampaignTest
from clientway.messaging.campaigns.service import CampaignRefused, absent, refused, words
from clientway.messaging.mails import service as mails
from clientway.messaging.policy import sql as policy
from clientway.messaging.settings import service as settings
from clientway.messaging.templates.rules import EMPTY, Rendered, segments_of
from clientway.messaging.templates.variables import SAMPLE


def preview(tx: Tx, campaign_id: UUID, contact_id: UUID | None) -> CampaignPreview:
    """The message for a contact, whether or not they belong to the audience; for nobody in particular, with sample values.

    Raises NotFound (404), CampaignRefused (422).
    """
    campaign = queries.load(tx, campaign_id)
    if campaign is None:
        raise absent()
    source = content.source({**campaign, **words(campaign)})
    person = None if contact_id is None else _person(tx, campaign, contact_id)
    rendered = content.message(
        source,
        channel=campaign["channel"],
        purpose=campaign["purpose"],
        of=settings.of(tx),
        recipient=SAMPLE if person is None else content.variables(person),
        unsubscribe_url=content.sample_url(),
    )
    mail = campaign["channel"] == "email"
    headers = {}
    if mail and campaign["purpose"] == "marketing":
        headers = {"List-Unsubscribe": f"<{content.sample_url()}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return CampaignPreview(
        contact_id=contact_id,
        to=SAMPLE["contact"]["email" if mail else "phone"] if person is None else person["address"],
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        headers=headers,
        sms_segments=None if mail else segments_of(rendered.text),
        excluded=(None if person is None else person["reason"]) or (EMPTY if rendered.empty else None),
    )


def send_test(tx: Tx, campaign_id: UUID, asked: CampaignTest) -> Any:
    """Mail what a recipient would get to members of the tenant, marked as a test. Raises NotFound (404), CampaignRefused (422)."""
    to = list(dict.fromkeys(normalise.email(address) or "" for address in asked.to))
    known = members.among(tx, to)
    errors = [FieldError("#/to", "no_member", "only members of the tenant get a test")] if known != set(to) else []
    seen = preview(tx, campaign_id, asked.contact_id)
    if seen.subject is None:
        errors.append(FieldError("#/to", "other_channel", "a text message cannot be tested by mail: look at its preview"))
    if seen.excluded == EMPTY:
        errors.append(FieldError("#/contact_id", "says_nothing", "the message would be empty"))
    if errors:
        raise CampaignRefused("The test cannot be sent.", errors=errors)
    effects.audit(tx, "campaign.tested", "campaign", campaign_id, {"to": to})
    return mails.send_rendered(tx, to, Rendered(f"[Test] {seen.subject}", seen.text, seen.html), template="campaign_test")


def _person(tx: Tx, campaign: Mapping[str, Any], contact_id: UUID) -> dict[str, Any]:
    channel, purpose = campaign["channel"], campaign["purpose"]
    statement = f"""
      select {content.PERSON}, {policy.ADDRESS[channel]} as address, {policy.exclusion(channel, purpose)} as reason
        from contacts c {policy.joins(channel, purpose)}
       where c.tenant_id = app.tenant() and c.id = :contact_id"""
    row = tx.execute(text(statement), {"contact_id": contact_id}).mappings().one_or_none()
    if row is None:
        raise refused("contact_id", "unknown_contact", "not a contact of this tenant")
    return dict(row)
