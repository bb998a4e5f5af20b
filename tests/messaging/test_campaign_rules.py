"""What may be done with a campaign in each of its states, as a table."""

import pytest

from clientway.messaging.campaigns import rules

# State → move → where it leads. The last four happen by themselves: nobody may ask for them.
TABLE = {
    "draft": {"edit": "draft", "dry_run": "draft", "launch": "freezing", "delete": "draft"},
    "scheduled": {"reschedule": "scheduled", "dry_run": "scheduled", "cancel": "canceled", "begin": "freezing"},
    "freezing": {"cancel": "canceled", "freeze": "sending", "finish": "finished"},
    "sending": {"pause": "paused", "cancel": "canceled", "stop": "stopped", "finish": "finished"},
    "paused": {"resume": "sending", "cancel": "canceled", "stop": "stopped"},
    "stopped": {"resume": "sending", "cancel": "canceled"},
    "finished": {"delete": "finished"},
    "canceled": {"delete": "canceled"},
}
BY_THEMSELVES = ("begin", "freeze", "stop", "finish")


@pytest.mark.parametrize("status", TABLE)
def test_a_campaign_moves_by_the_table_alone(status):
    asked = [move for move in TABLE[status] if move not in BY_THEMSELVES]
    assert rules.legal(status) == asked
    for move in {move for moves in TABLE.values() for move in moves}:
        if move in TABLE[status]:
            assert rules.after(status, move) == TABLE[status][move]
            continue
        with pytest.raises(rules.MoveRefused) as refusal:
            rules.after(status, move)
        assert refusal.value.extensions == {"campaign_status": status, "legal": asked}


def test_what_is_so_already_may_be_asked_for_again():
    settled = {
        (status, move) for status in TABLE for move in ("pause", "resume", "cancel", "launch", "delete") if rules.settled(status, move)
    }
    assert settled == {("paused", "pause"), ("sending", "resume"), ("canceled", "cancel")}
