"""The templates of a tenant: its own, and behind them the built-in ones."""

from typing import Any
from uuid import UUID

from clientway import effects
from clientway.config import settings
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable, check_version
from clientway.ids import uuid7
from clientway.messaging.campaigns.content import variables
from clientway.messaging.settings import service as messaging_settings
from clientway.messaging.templates import queries, rules
from clientway.messaging.templates.defaults import DEFAULTS
from clientway.messaging.templates.filters import ALLOWED
from clientway.messaging.templates.rules import Rendered, Source
from clientway.messaging.templates.schemas import (
    DefaultTemplate,
    DefaultTemplates,
    MessageTemplateCreate,
    MessageTemplatePatch,
    PreviewWarning,
    TemplatePreview,
    TemplatePreviewed,
    TemplateVariable,
)
from clientway.messaging.templates.variables import SAMPLE, UNSUBSCRIBE_URL, VARIABLES
from clientway.paging import Request


class TemplateExists(Conflict):
    """409: the tenant has a template of this key for the channel; `existing_id` names it."""

    code, title = "template_exists", "Template exists"


def source(tx: Tx, key: str, channel: str) -> Source:
    """What is sent under a key: the tenant's own template, else the built-in one. Raises NotFound (404)."""
    return queries.source(tx, key, channel) or built_in(key, channel)


def built_in(key: str, channel: str) -> Source:
    """What is sent where a tenant has no template of its own. Raises NotFound (404)."""
    found = DEFAULTS.get((key, channel))
    if found is None:
        raise _absent()
    return found.source


def find(tx: Tx, request: Request, *, channel: str | None, key: str | None) -> Any:
    """A page of the tenant's own templates."""
    return queries.find(tx, request, channel=channel, key=key)


def read(tx: Tx, template_id: UUID) -> Any:
    """One template. Raises NotFound (404)."""
    answer = queries.read(tx, template_id)
    if answer is None:
        raise _absent()
    return answer


def create(tx: Tx, template: MessageTemplateCreate) -> Any:
    """Add a template. Raises TemplateRefused (422) for what may not stand in one, TemplateExists (409)."""
    rules.require(template.channel, template.subject, template.body_text, template.body_html)
    template_id = uuid7()
    answer = queries.insert(tx, template_id, template.model_dump())
    if answer is None:
        holder = queries.holder(tx, template.key, template.channel)
        pointer = FieldError("#/key", "taken", "already taken")
        raise TemplateExists("There is already a template with this key.", errors=[pointer], existing_id=str(holder))
    effects.audit(tx, "message_template.created", "message_template", template_id, template.model_dump(mode="json"))
    return answer


def change(tx: Tx, template_id: UUID, patch: MessageTemplatePatch, *, version: int) -> Any:
    """Replace what was sent. Raises NotFound (404), PreconditionFailed (412), TemplateRefused (422)."""
    row = queries.lock(tx, template_id)
    if row is None:
        raise _absent()
    check_version(row.version, version)
    sent = patch.model_dump(exclude_unset=True)
    after = {"name": row.name, "subject": row.subject, "body_text": row.body_text, "body_html": row.body_html, **sent}
    rules.require(row.channel, after["subject"], after["body_text"], after["body_html"])
    answer = queries.update(tx, template_id, after)
    effects.audit(tx, "message_template.updated", "message_template", template_id, sent)
    return answer


def delete(tx: Tx, template_id: UUID, *, version: int) -> None:
    """Put a template away; its key is free again. Raises NotFound (404), PreconditionFailed (412)."""
    row = queries.lock(tx, template_id)
    if row is None:
        raise _absent()
    check_version(row.version, version)
    queries.delete(tx, template_id)
    effects.audit(tx, "message_template.deleted", "message_template", template_id)


def defaults(tx: Tx) -> DefaultTemplates:
    """The built-in templates and the language of templates."""
    own = queries.own_keys(tx)
    return DefaultTemplates(
        templates=[
            DefaultTemplate(
                key=one.key,
                channel=one.channel,
                name=one.name,
                subject=one.source.subject,
                body_text=one.source.text,
                data=[TemplateVariable(name=f"data.{name}", description=told) for name, told in one.data.items()],
                replaced_by=own.get((one.key, one.channel)),
            )
            for one in DEFAULTS.values()
        ],
        variables=[
            *(
                TemplateVariable(name=f"{root}.{name}", description=told)
                for root, fields in VARIABLES.items()
                for name, told in fields.items()
            ),
            TemplateVariable(name="unsubscribe_url", description=UNSUBSCRIBE_URL),
        ],
        filters=sorted(ALLOWED),
    )


def preview(tx: Tx, asked: TemplatePreview) -> TemplatePreviewed:
    """A template as a contact, or a sample, would get it. Raises TemplateRefused, Unprocessable (422) for what there is none of."""
    channel, shown, sample = _asked(tx, asked)
    of = messaging_settings.of(tx)
    recipient = dict(SAMPLE)
    if asked.contact_id is not None:
        person = queries.person(tx, asked.contact_id)
        if person is None:
            error = FieldError("#/contact_id", "unknown_contact", "not a contact of this tenant")
            raise Unprocessable("The preview is for a contact who does not exist.", errors=[error])
        recipient |= variables(person)
    # Nobody is unsubscribed by whoever looks at a preview.
    url = f"{settings().public_url}/u/preview"
    rendered = rules.render(shown, {**recipient, "tenant": of.variables, "unsubscribe_url": url, "data": {**sample, **asked.data}})
    warnings = (
        [PreviewWarning(code=rules.EMPTY, message="It says nothing: whom it renders empty for gets no message.")] if rendered.empty else []
    )
    if asked.purpose == "marketing":
        finished = rules.with_footer(rendered, of.postal_address, url)
        warnings += _warnings(rendered, finished, of.postal_address, url)
        rendered = finished
    segments = rules.segments_of(rendered.text) if channel == "sms" else None
    if segments is not None and segments > 1:
        warnings.append(PreviewWarning(code="several_segments", message=f"It is sent, and paid for, as {segments} text messages."))
    return TemplatePreviewed(
        channel=channel,
        subject=rendered.subject,
        body_text=rendered.text,
        body_html=rendered.html,
        segments=segments,
        warnings=warnings,
    )


def _asked(tx: Tx, asked: TemplatePreview) -> tuple[Any, Source, dict[str, Any]]:
    """The channel, the words, and the sample values of a built-in template."""
    if asked.body_text is not None:
        rules.require(asked.channel, asked.subject, asked.body_text, asked.body_html)
        return asked.channel, Source(asked.subject, asked.body_text, asked.body_html), {}
    if asked.template is not None:
        try:
            found = source(tx, asked.template, asked.channel)
        except NotFound:
            raise unknown("#/template") from None
        ours = DEFAULTS.get((asked.template, asked.channel))
        return asked.channel, found, dict(ours.sample) if ours else {}
    kept = queries.by_id(tx, asked.template_id) if asked.template_id else None
    if kept is None:
        raise unknown("#/template_id")
    return (*kept, {})


def _warnings(rendered: Rendered, finished: Rendered, postal_address: str | None, url: str) -> list[PreviewWarning]:
    if rendered.html is None:
        told = "It does not say how to end such messages: that is appended."
        return [PreviewWarning(code="opt_out_appended", message=told)] if finished.text != rendered.text else []
    found = []
    if url not in rendered.text or url not in rendered.html:
        told = "It shows no link to unsubscribe: one is appended."
        found.append(PreviewWarning(code="unsubscribe_link_appended", message=told))
    if not postal_address:
        told = "Marketing mail has to show your postal address: set it in the messaging settings."
        found.append(PreviewWarning(code="postal_address_missing", message=told))
    elif finished != rendered and postal_address not in rendered.text:
        found.append(PreviewWarning(code="postal_address_appended", message="It shows no postal address: yours is appended."))
    return found


def unknown(pointer: str) -> Unprocessable:
    """422: a body names a template that there is none of."""
    return Unprocessable(
        "There is no such template.", errors=[FieldError(pointer, "unknown_template", "neither your own nor a built-in one")]
    )


def _absent() -> NotFound:
    return NotFound("There is no such template.")
