"""A chunk of a campaign, to the provider: each recipient at most once.

Recipients are claimed, with a lease and a token, and that is committed before the provider is called. What comes of the
calls is written down under that token. Where a worker dies in between, nobody knows whether the provider was called:
the send becomes `unknown` and is settled by the provider's events; it is never sent again.
"""

from collections.abc import Callable


def work(body: str, *, until: Callable[[], bool] = lambda: False) -> int:
    """Do what one message of CampaignQueue says, a freezing or a chunk, until it is done or `until` says that time is nearly up.

    Returns how many messages the provider took. Raises what the database raises; the message then comes again.
    """
    raise NotImplementedError
