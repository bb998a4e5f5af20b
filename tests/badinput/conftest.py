"""What the tests of bad input share."""

import pytest

from tests import routes


@pytest.fixture
def rows(admin_engine, tenant):
    """Our tenant with one row of everything."""
    return routes.make_rows(admin_engine, tenant)


@pytest.fixture
def theirs(admin_engine, other_tenant):
    """Somebody else's."""
    return routes.make_rows(admin_engine, other_tenant)
