"""What the tests of bad input share."""

import pytest

from clientway.integrations.stripe import secrets
from tests import routes


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch):
    """Nobody's Stripe account is connected; whether it is, would be asked at AWS."""
    monkeypatch.setattr(secrets, "fresh", lambda _endpoint: None)


@pytest.fixture
def rows(admin_engine, tenant):
    """Our tenant with one row of everything."""
    return routes.make_rows(admin_engine, tenant)


@pytest.fixture
def theirs(admin_engine, other_tenant):
    """Somebody else's."""
    return routes.make_rows(admin_engine, other_tenant)
