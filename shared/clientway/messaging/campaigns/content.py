"""What a campaign says to one recipient: the same for its preview, the dry run's measuring and the sending."""

from collections.abc import Mapping
from typing import Any

from clientway.config import settings
from clientway.messaging.settings.service import MessagingSettings
from clientway.messaging.templates import rules as templates
from clientway.messaging.templates.rules import Rendered, Source

PERSON = """c.first_name, c.last_name, c.email, c.phone_e164, (
  select coalesce(o.dba_name, o.legal_name) from organizations o
   where o.tenant_id = app.tenant() and o.id = c.organization_id and o.entity_type is distinct from 'individual') as organization_name"""
"""SQL: what `variables` has to know of a contact `c`."""


def source(campaign: Mapping[str, Any]) -> Source:
    """The words of a campaign that was launched, or has none of a template's."""
    return Source(campaign["subject"], campaign["body_text"], campaign["body_html"])


def variables(person: Mapping[str, Any]) -> dict[str, Any]:
    """What templates may say of a recipient, from the columns of PERSON."""
    names = [person["first_name"], person["last_name"]]
    return {
        "contact": {
            "first_name": person["first_name"],
            "last_name": person["last_name"],
            "name": " ".join(filter(None, names)),
            "email": person["email"],
            "phone": person["phone_e164"],
        },
        "organization": {"name": person["organization_name"]},
    }


def message(
    source: Source, *, channel: str, purpose: str, of: MessagingSettings, recipient: Mapping[str, Any], unsubscribe_url: str
) -> Rendered:
    """The message for a recipient (`variables` of theirs). Marketing says whom it is from and how to end it.

    One that is `empty` is left as it is: nobody is sent it.
    """
    rendered = templates.render(source, {**recipient, "tenant": of.variables, "unsubscribe_url": unsubscribe_url})
    if purpose != "marketing" or rendered.empty:
        return rendered
    if channel == "sms":
        return templates.with_opt_out(rendered)
    return templates.with_footer(rendered, of.postal_address, unsubscribe_url)


def sample_url() -> str:
    """A link as one to unsubscribe looks, which unsubscribes nobody."""
    return f"{settings().public_url}/u/sample"
