"""What goes into and comes out of the endpoints of templates."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from clientway.messaging.delivery.message import Channel
from clientway.schemas import Id, Patch, Schema, Text, Timestamp, Trimmed, Version

Purpose = Literal["marketing", "transactional"]
TemplateKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
TemplateName = Annotated[Trimmed, StringConstraints(max_length=200)]
Subject = Annotated[Trimmed, StringConstraints(max_length=500)]
BodyText = Annotated[Text, StringConstraints(min_length=1, max_length=50_000)]
BodyHtml = Annotated[Text, StringConstraints(min_length=1, max_length=200_000)]
DataKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
DataValue = (
    Annotated[Text, StringConstraints(max_length=5000)]
    | bool
    | Annotated[int, Field(ge=-(2**53), le=2**53)]
    | Annotated[float, Field(allow_inf_nan=False)]
    | None
)
Data = Annotated[
    dict[DataKey, DataValue],
    Field(max_length=50, description="What a template calls `data.*`."),
]
_KEY = "What it is asked for by. A built-in one of the same key and channel is replaced by it."
_HTML = "Made from the text, when left out."


class MessageTemplateCreate(Schema):
    """A template of the tenant's own. Key and channel stay as they are."""

    key: TemplateKey = Field(description=_KEY)
    channel: Channel
    name: TemplateName
    subject: Subject | None = Field(None, description="A mail has one, a text message has none.")
    body_text: BodyText = Field(description="Of a text message, at most 1,000 characters.")
    body_html: BodyHtml | None = Field(None, description=_HTML)


class MessageTemplatePatch(Patch):
    """Change a template. What was launched or asked for with it stays as it was."""

    REQUIRED: ClassVar = frozenset({"body_text", "name"})

    name: TemplateName | None = None
    subject: Subject | None = Field(None, description="A mail has one, a text message has none.")
    body_text: BodyText | None = None
    body_html: BodyHtml | None = Field(None, description=_HTML)


class MessageTemplateLine(Schema):
    """A template of the tenant's own as a list shows it."""

    id: Id
    key: str
    channel: Channel
    name: str
    subject: str | None
    created_by: Id | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class MessageTemplate(MessageTemplateLine):
    """A template of the tenant's own."""

    body_text: str
    body_html: str | None


class TemplateVariable(Schema):
    """What a template may name."""

    name: str = Field(description="As it is written between braces: contact.first_name.")
    description: str


class DefaultTemplate(Schema):
    """A template that every tenant has."""

    key: str
    channel: Channel
    name: str
    subject: str | None
    body_text: str
    data: list[TemplateVariable] = Field(description="What it takes of `data`.")
    replaced_by: Id | None = Field(description="The template of the tenant's own that is sent in its place.")


class DefaultTemplates(Schema):
    """The built-in templates, and all that a template may hold."""

    templates: list[DefaultTemplate]
    variables: list[TemplateVariable] = Field(description="Beside them there is `data.*`, of single mails.")
    filters: list[str] = Field(description="As in {{ contact.first_name|default('there') }}.")


class TemplatePreview(Schema):
    """What to show: a template of the tenant's own, one by its key, or one that is not kept yet."""

    channel: Channel = "email"
    purpose: Purpose = Field("marketing", description="Marketing gets what it has to show appended.")
    template_id: Id | None = None
    template: TemplateKey | None = Field(None, description="Its key: the tenant's own, else the built-in one.")
    subject: Subject | None = None
    body_text: BodyText | None = None
    body_html: BodyHtml | None = None
    contact_id: Id | None = Field(None, description="For whom; sample values, when left out.")
    data: Data = Field(default_factory=dict)

    @model_validator(mode="after")
    def _shows_one(self) -> Self:
        if sum(one is not None for one in (self.template_id, self.template, self.body_text)) != 1:
            message = "name one of template_id, template and body_text"
            raise ValueError(message)
        if self.body_text is None and (self.subject is not None or self.body_html is not None):
            message = "subject and body_html go with body_text"
            raise ValueError(message)
        return self


class PreviewWarning(Schema):
    """What is worth knowing before it is sent."""

    code: str
    message: str


class TemplatePreviewed(Schema):
    """A template as one recipient would get it."""

    channel: Channel
    subject: str | None
    body_text: str
    body_html: str | None
    segments: int | None = Field(description="What a text message is paid for as.")
    warnings: list[PreviewWarning]
