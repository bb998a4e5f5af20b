"""What staff may do about disputes."""

from clientway.errors import Conflict


class ProvidersOwn(Conflict):
    """409: what a provider decides, its events say."""

    code, title = "providers_own", "Managed by the provider"


class DisputeTooLarge(Conflict):
    """409: no more of a payment is disputed than there is; `left_cents` is what still can be."""

    code, title = "dispute_too_large", "Dispute too large"


class DisputeClosed(Conflict):
    """409: a dispute that was won or lost stays so."""

    code, title = "dispute_closed", "Dispute closed"
