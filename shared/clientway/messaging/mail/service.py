"""Hands queued mail to SES. Runs outside the VPC and without the database: all it knows is in the queue's message."""

import os
from functools import cache
from typing import Any

from pydantic import Field

from clientway.messaging.mail.templates import render
from clientway.schemas import Id, Schema, Text

PROVIDER_TIMEOUT_SECONDS = 8


class Mail(Schema):
    """What an outbox row of the topic `mail` holds: a template's name and the values for it."""

    template: Text
    to: Text = Field(max_length=320)
    tenant_name: Text = ""
    url: Text
    code: Text | None = None
    inviter: Text | None = None
    role: Text | None = None


class QueuedMail(Schema):
    """The queue's message: an outbox row."""

    id: Id
    tenant_id: Id
    topic: Text
    payload: Mail


def send(body: str) -> str:
    """Send one queued mail and return SES's message id.

    At least once: SES has no idempotency token, so a mail may come twice when its queue delivers twice. The outbox id goes
    along as a tag, by which bounces and complaints are traced. Raises ValidationError, UnknownTemplateError, and what SES refuses.
    """
    queued = QueuedMail.model_validate_json(body)
    mail = render(queued.payload.template, {name: value for name, value in queued.payload.model_dump().items() if value is not None})
    answer = _ses().send_email(
        FromEmailAddress=os.environ["MAIL_FROM"],
        Destination={"ToAddresses": [queued.payload.to]},
        Content={
            "Simple": {
                "Subject": {"Data": mail.subject, "Charset": "UTF-8"},
                "Body": {"Text": {"Data": mail.text, "Charset": "UTF-8"}, "Html": {"Data": mail.html, "Charset": "UTF-8"}},
            }
        },
        EmailTags=[{"Name": "outbox_id", "Value": str(queued.id)}, {"Name": "template", "Value": queued.payload.template}],
        **_configuration_set(),
    )
    return str(answer["MessageId"])


def _configuration_set() -> dict[str, str]:
    name = os.environ.get("SES_CONFIGURATION_SET")
    return {"ConfigurationSetName": name} if name else {}


@cache
def _ses() -> Any:
    # Here and not above: boto3 takes a third of a second, and the templates are wanted without it.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(connect_timeout=2, read_timeout=PROVIDER_TIMEOUT_SECONDS, retries={"mode": "standard", "total_max_attempts": 2})
    return boto3.client("sesv2", config=config)
