"""A campaign's states, and what may be done in each of them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from clientway.errors import Conflict

Status = Literal["draft", "scheduled", "freezing", "sending", "paused", "finished", "canceled", "stopped"]
Move = Literal["edit", "reschedule", "dry_run", "launch", "begin", "freeze", "pause", "resume", "cancel", "stop", "finish", "delete"]
Reason = Literal[
    "deleted",
    "blacklisted",
    "no_address",
    "do_not_contact",
    "suppressed",
    "unsubscribed",
    "consent_denied",
    "consent_missing",
    "same_address",
    "empty_message",
]
"""Why somebody of the audience gets nothing: the policy's, that another contact of the campaign has the same address, and that the
message would say nothing, which shows when it is made."""

CHUNK: Final = 100
"""Recipients that one message of the queue stands for."""
LARGEST_AUDIENCE: Final = 500_000

# Who stopped a campaign for its complaints is not who may send it on: see access.py, campaigns:restart.
MOVES: Final[Mapping[Move, Mapping[Status, Status]]] = MappingProxyType({
    "edit": {"draft": "draft"},
    "reschedule": {"scheduled": "scheduled"},
    "dry_run": {"draft": "draft", "scheduled": "scheduled"},
    # At once; with a time to come it is `scheduled` instead.
    "launch": {"draft": "freezing"},
    "begin": {"scheduled": "freezing"},
    "freeze": {"freezing": "sending"},
    "pause": {"sending": "paused"},
    "resume": {"paused": "sending", "stopped": "sending"},
    "cancel": {"scheduled": "canceled", "freezing": "canceled", "sending": "canceled", "paused": "canceled", "stopped": "canceled"},
    "stop": {"sending": "stopped", "paused": "stopped"},
    "finish": {"freezing": "finished", "sending": "finished"},
    "delete": {"draft": "draft", "canceled": "canceled", "finished": "finished"},
})  # fmt: skip
# What staff may ask for; the rest happens by itself.
_ASKED: Final = ("edit", "reschedule", "dry_run", "launch", "pause", "resume", "cancel", "delete")
# Asked for again when it is so already, these change nothing.
_SETTLED: Final[Mapping[Move, frozenset[Status]]] = {
    "pause": frozenset({"paused"}), "resume": frozenset({"sending"}), "cancel": frozenset({"canceled"}),
}  # fmt: skip


class MoveRefused(Conflict):
    """409: the campaign's state does not allow it; `legal` names what it does."""

    code, title = "campaign_move_refused", "Not in this state"


def legal(status: Status) -> list[Move]:
    """What staff may do with a campaign in a state."""
    return [move for move in _ASKED if status in MOVES[move]]


def settled(status: Status, move: Move) -> bool:
    """Whether what is asked for is so already."""
    return status in _SETTLED.get(move, ())


def after(status: Status, move: Move) -> Status:
    """The state that a move leads to. Raises MoveRefused (409) with the moves that would be legal."""
    found = MOVES[move].get(status)
    if found is None:
        raise MoveRefused(f"This cannot be done ({move}) while the campaign is {status}.", campaign_status=status, legal=legal(status))
    return found
