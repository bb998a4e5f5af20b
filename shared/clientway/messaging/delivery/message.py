"""One message on its way to a provider, and what may come of handing it over."""

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

Channel = Literal["email", "sms"]
Kind = Literal["campaign_send", "email_message", "reminder"]
"""What a message is a row of: its provider's events name the kind and the id."""

PROVIDER_TIMEOUT_SECONDS: Final = 8
THROTTLED: Final = "throttled"
"""The code of a refusal that says nothing of the message: it is too much for the provider now."""
OPTED_OUT: Final = "destination_phone_number_opted_out"
"""And of one that says that the provider has been told STOP."""
OPTED_OUT_SAID: Final = "opted out with the provider"
# They hold families of emoji together, and Persian's letters apart.
_JOINERS: Final = frozenset("\u200c\u200d")


def line(value: str) -> str:
    """A subject or a name in one line: what breaks a line ends a header, and what turns the direction of writing deceives its reader."""
    return " ".join("".join(c if c.isprintable() or c in _JOINERS else " " for c in value).split())


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as a provider takes it: rendered, checked, addressed.

    `subject` and `html` are None for a text message. `unsubscribe_url` makes the two headers of RFC 8058.
    """

    kind: Kind
    id: UUID
    tenant_id: UUID
    channel: Channel
    to: tuple[str, ...]
    text: str
    subject: str | None = None
    html: str | None = None
    from_name: str | None = None
    reply_to: str | None = None
    sms_sender: str | None = None
    promotional: bool = False
    unsubscribe_url: str | None = None


class Refused(Exception):  # noqa: N818  (what came of it, not a defect)
    """The provider did not take the message: it was certainly not sent. `retryable`: later it may be."""

    def __init__(self, code: str, detail: str, *, retryable: bool) -> None:
        """Say why, in words that staff may read."""
        super().__init__(f"{code}: {detail}")
        self.code, self.detail, self.retryable = code, detail[:400], retryable


class Unclear(Exception):  # noqa: N818
    """The provider was asked and no answer came: the message may be on its way."""
