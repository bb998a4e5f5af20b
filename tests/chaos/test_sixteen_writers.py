"""Sixteen writers change one organization's stage at once: no change is lost, and the chain has neither gap nor fork."""

import json
import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import pytest
from sqlalchemy import text

from clientway.ids import uuid7
from tests.served import ROOT

WRITERS = 16


@pytest.fixture
def contested(admin_engine, tenant):
    """The organization that they are all at."""
    one = uuid7()
    with admin_engine.connect() as connection:
        connection.execute(
            text(
                "insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text) values (:t, :i, 'Contested', 'c', '', '')"
            ),
            {"t": tenant.id, "i": one},
        )
    return one


def test_no_change_is_lost_and_the_chain_is_whole(contested, tenant, admin_engine, seed, size, tally, tmp_path):
    moves = size(short=15, long=1250)
    given = {
        "writers": WRITERS, "moves": moves, "organization": str(contested), "token": tenant.admin, "seed": seed, "folder": str(tmp_path),
    }  # fmt: skip
    path = os.pathsep.join([str(ROOT), str(ROOT / "functions"), str(ROOT / "shared")])
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.writers"], input=json.dumps(given), env={**os.environ, "PYTHONPATH": path, "DATABASE_POOL_SIZE": "1"},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    told = [json.loads((tmp_path / f"{number}.json").read_text()) for number in range(WRITERS)]
    acknowledged = {reason: tuple(move) for one in told for reason, move in one["moves"].items()}
    statuses = sum((Counter(one["statuses"]) for one in told), Counter())
    assert len(acknowledged) == WRITERS * moves

    with admin_engine.connect() as connection:

        def rows(sql):
            return connection.execute(text(sql), {"t": tenant.id, "o": contested}).all()

        chain = rows("""select sequence, from_stage, to_stage, automatic, reason, changed_at, seconds_in_stage, xmin::text as transaction
                          from lifecycle_transitions where tenant_id = :t and organization_id = :o order by sequence""")
        [own] = rows("select lifecycle_stage, lifecycle_sequence, version, notes from organizations where tenant_id = :t and id = :o")
        lines = rows(
            "select metadata ->> 'from', metadata ->> 'to' from activities where organization_id = :o and activity_type = 'stage_changed'"
        )
        audits = rows(
            "select changes ->> 'from', changes ->> 'to' from audit_log where object_id = :o and action = 'organization.stage_changed'"
        )
        events = rows("""select payload ->> 'from', payload ->> 'to' from outbox
                          where tenant_id = :t and topic = 'organization.stage_changed' and payload ->> 'organization_id' = cast(:o as text)""")
        facts = rows("""select id from activities where organization_id = :o
                         and activity_type in ('email_clicked', 'email_opened', 'email_replied', 'meeting_scheduled')""")
        accounts = rows("select status from client_accounts where tenant_id = :t and organization_id = :o")

    # The chain: dense, each link where the last one ended, the end where the organization stands.
    assert [link.sequence for link in chain] == list(range(1, len(chain) + 1))
    assert [after.from_stage for _, after in pairwise(chain)] == [before.to_stage for before, _ in pairwise(chain)]
    assert all(link.from_stage != link.to_stage for link in chain)
    assert (chain[0].from_stage, chain[-1].to_stage, len(chain)) == ("lead", own.lifecycle_stage, own.lifecycle_sequence)
    assert all(before.changed_at <= after.changed_at for before, after in pairwise(chain))
    assert all(link.seconds_in_stage >= 0 for link in chain)
    # What was acknowledged is there, once, as it was said; and nothing that was not.
    by_hand = [(link.reason, (link.from_stage, link.to_stage)) for link in chain if not link.automatic]
    assert len(by_hand) == len(acknowledged)
    assert dict(by_hand) == acknowledged
    # Each link has its line, its audit and its event.
    links = Counter((link.from_stage, link.to_stage) for link in chain)
    assert Counter(map(tuple, lines)) == Counter(map(tuple, audits)) == Counter(map(tuple, events)) == links
    assert {str(one.id) for one in facts} == {fact for one in told for fact in one["facts"]}
    assert [one.status for one in accounts] == (
        [] if not accounts else ["churned" if own.lifecycle_stage == "churned" else accounts[0].status]
    )
    # Versions count the moves (two of one transaction are one) and the notes; nobody's note was written over.
    together = sum(before.transaction == after.transaction for before, after in pairwise(chain))
    notes = [note for one in told for note in one["notes"]]
    assert own.version == 1 + len(chain) - together + len(notes)
    kept = (own.notes or "").split()
    assert len(set(kept)) == len(kept)
    assert set(kept) <= set(notes)
    if len(own.notes or "") < 9_900:
        assert set(kept) == set(notes)

    tally.update({
        "changes by hand, acknowledged and found": len(by_hand),
        "moves that followed from facts": len(chain) - len(by_hand),
        "notes written under If-Match": len(notes),
        **{f"answers {name}": count for name, count in sorted(statuses.items())},
    })  # fmt: skip
