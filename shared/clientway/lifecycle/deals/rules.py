"""What a change makes of a deal: how likely it is, and when it is over."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from clientway.errors import Conflict, FieldError, Unprocessable

DealStage = Literal["qualification", "proposal", "negotiation"]
DealStatus = Literal["open", "won", "lost"]

PROBABILITY: Final[Mapping[str, int]] = {"qualification": 10, "proposal": 40, "negotiation": 70}
"""Percent, for a deal of which nobody has said more than its stage."""
_OVER: Final = {"won": 100, "lost": 0}


class DealClosed(Conflict):
    """409: the deal is won or lost; open it again to go on with it."""

    code, title = "deal_closed", "Deal closed"


def revise(before: Mapping[str, Any], sent: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The columns to write when `sent` comes to the deal `before`; `now` is when it is won or lost.

    A won deal is certain, a lost one impossible, and one in a new stage as likely as that stage, unless the change says
    so itself. Raises DealClosed (409) for another stage of a deal that stays closed, and Unprocessable (422) for a loss
    without its reason, or a reason or probability that contradicts the status.
    """
    after = {**before, **sent}
    status, turned = after["status"], after["status"] != before["status"]
    moved = after["stage"] != before["stage"]
    if status != "open" and moved:
        raise DealClosed(f"The deal is {status}; open it again to move it to another stage.")
    _check(status, sent, after)
    derived: dict[str, Any] = {}
    if turned:
        derived["closed_at"] = None if status == "open" else now
        if status != "lost":
            derived["lost_reason"] = None
    if status in _OVER:
        derived["probability"] = _OVER[status]
    elif (turned or moved) and "probability" not in sent:
        derived["probability"] = PROBABILITY[after["stage"]]
    return {**sent, **derived}


def _check(status: str, sent: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    errors = []
    if status == "lost" and not after["lost_reason"]:
        errors.append(FieldError("#/lost_reason", "missing", "say why the deal was lost"))
    if status != "lost" and sent.get("lost_reason"):
        errors.append(FieldError("#/lost_reason", "not_lost", "only a lost deal has one"))
    if status in _OVER and sent.get("probability", _OVER[status]) != _OVER[status]:
        errors.append(FieldError("#/probability", "closed", f"a deal that is {status} has {_OVER[status]}"))
    if errors:
        raise Unprocessable("The deal breaks a rule.", errors=errors)
