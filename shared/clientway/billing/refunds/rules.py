"""When money can be given back, and when an older piece of news of it counts."""

from collections.abc import Mapping
from typing import Final

from clientway.errors import Conflict


class RefundTooLarge(Conflict):
    """409: no more is given back than came in; `left_cents` is what still can be."""

    code, title = "refund_too_large", "Refund too large"


class ProviderAway(Conflict):
    """409: the provider that holds the money is not connected."""

    code, title = "provider_not_connected", "Provider not connected"


RANK: Final[Mapping[str, int]] = {"pending": 0, "succeeded": 1, "failed": 2, "canceled": 2}
"""How far a refund has come: one that went through may still be sent back by the client's bank, and has failed then."""
