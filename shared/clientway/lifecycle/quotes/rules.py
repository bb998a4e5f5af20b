"""The life of a quote: drafted, sent, seen, answered."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from clientway.errors import Conflict

QuoteStatus = Literal["draft", "sent", "viewed", "accepted", "declined"]

NEXT: Final[Mapping[str, tuple[str, ...]]] = {
    "draft": ("sent",),
    "sent": ("viewed", "accepted", "declined"),
    "viewed": ("accepted", "declined"),
    "accepted": (),
    "declined": (),
}


class QuoteMoveRefused(Conflict):
    """409: a quote does not go from its status to that one; `legal` lists where it can go."""

    code, title = "quote_move_refused", "Quote move refused"


class QuoteSent(Conflict):
    """409: what the client has before them is not changed; draft another quote."""

    code, title = "quote_sent", "Quote sent"


def revise(before: Mapping[str, Any], sent: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The columns to write when `sent` comes to the quote `before`; each status is stamped with `now`.

    Raises QuoteMoveRefused (409) and QuoteSent (409).
    """
    status, current = sent.get("status", before["status"]), before["status"]
    if current != "draft" and any(value != before[name] for name, value in sent.items() if name != "status"):
        raise QuoteSent(f"The quote is {current}: its title, amount and validity stay as they are.")
    if status == current:
        return dict(sent)
    if status not in NEXT[current]:
        detail = f"A quote that is {current} cannot become {status}."
        raise QuoteMoveRefused(detail, current=current, target=status, legal=list(NEXT[current]))
    # Nobody answers what they have not seen.
    seen = {"viewed_at": now} if status in ("accepted", "declined") and before["viewed_at"] is None else {}
    return {**sent, **seen, f"{status}_at": now}
