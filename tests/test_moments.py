"""A moment is written as PostgreSQL writes it, whichever of the two wrote an answer."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from clientway.moments import rfc3339

ROOT = Path(__file__).parents[1]
MOMENTS = st.datetimes(timezones=st.just(UTC)) | st.builds(
    lambda second, fraction: datetime.fromtimestamp(second, UTC).replace(microsecond=fraction),
    st.integers(0, 2**32),
    st.sampled_from([0, 1, 10, 100, 1_000, 10_000, 100_000, 123_450, 120_000, 999_990, 999_999]),
)


@given(moments=st.lists(MOMENTS, min_size=1, max_size=50))
def test_a_moment_is_written_as_by_to_json(moments, admin_engine):
    asked = text("select to_json(t) #>> '{}' from unnest(cast(:moments as timestamptz[])) with ordinality as m(t, n) order by n")
    with admin_engine.connect() as admin:
        answered = admin.execute(asked, {"moments": moments}).scalars().all()

    assert [rfc3339(one) for one in moments] == answered


@pytest.mark.parametrize("folder", ["shared", "functions"])
def test_the_time_of_a_change_is_written_no_other_way(folder):
    found = {path: re.findall(r"\bnow\.isoformat\(", path.read_text()) for path in (ROOT / folder).rglob("*.py")}

    assert {str(path): hits for path, hits in found.items() if hits} == {}
