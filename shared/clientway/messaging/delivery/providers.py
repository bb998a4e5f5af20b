"""The one place where a message leaves: a mail by SES, a text by End User Messaging."""

from clientway.messaging.delivery import ses, sms
from clientway.messaging.delivery.message import Outgoing


def send(message: Outgoing, *, once: bool) -> str:
    """Hand a message over; returns the provider's id for it. No transaction is open meanwhile: it may take seconds.

    `once`: the provider is asked a single time, whatever becomes of it. Raises Refused (it was certainly not sent) or Unclear.
    """
    return (ses if message.channel == "email" else sms).send(message, once=once)
