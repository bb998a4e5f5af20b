"""Mail and texts on this machine: the stand-ins where their state is, publishing to the queue that the template has for it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from clientway.local.aws import LocalAws
from clientway.local.messages.providers import Providers
from clientway.local.messages.store import Message

QUEUE: Final = "MessageEventQueue"
# What the functions send with where the environment says nothing else. The number is one of those kept for stories.
SENDERS: Final = {"SMS_SENDER": "+14155550100", "SES_CONFIGURATION_SET": "clientway", "SMS_CONFIGURATION_SET": "clientway"}


def start(state: Path, cloud: LocalAws, show: Callable[[Message], None]) -> Providers:
    """Start the stand-ins with what they took before."""
    file = state / "messages.sqlite3"
    providers = Providers(file, region=cloud.region, show=show)
    # For its owner alone: it holds sign-in links.
    file.chmod(0o600)
    url, sqs = cloud.known.get(QUEUE), cloud.client("sqs")

    def publish(bodies: Sequence[str]) -> None:
        entries = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(bodies)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)

    return providers.start(publish if url else None)
