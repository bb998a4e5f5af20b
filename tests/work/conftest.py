"""What the tests of work begin with: a contact with its organization, somebody who does the work, and a service."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlalchemy import text

from clientway.ids import uuid7
from clientway.messaging.delivery import providers

if TYPE_CHECKING:
    from tests.work.reminding import Reminding


@dataclass(frozen=True)
class Site:
    """Rows of one tenant, written past the application."""

    contact_id: UUID
    organization_id: UUID
    address_id: UUID
    rep_id: UUID
    other_rep_id: UUID
    service_id: UUID


_ROWS = """
insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text) values (:t, :organization, 'Ana Ruiz', :s, 'ana ruiz', '');
insert into contacts (tenant_id, id, organization_id, slug, first_name, last_name, email, email_norm, phone, phone_e164, name_norm, search_text, is_primary, status)
values (:t, :contact, :organization, :s, 'Ana', 'Ruiz', 'ana@home.example', 'ana@home.example', '305 555 0123', '+13055550123', 'ana ruiz', '', true, 'lead');
insert into contact_addresses (tenant_id, id, contact_id, address1, city, state, postal) values (:t, :address, :contact, '1 Main St', 'Miami', 'FL', '33101');
update contacts set default_address_id = :address where tenant_id = :t and id = :contact;
insert into reps (tenant_id, id, slug, name) values (:t, :rep, 'rosa-' || :s, 'Rosa'), (:t, :other_rep, 'omar-' || :s, 'Omar');
insert into services (tenant_id, id, name, duration_minutes, price_cents, currency) values (:t, :service, 'Deep clean', 90, 12000, 'USD')
"""


def make_site(engine, tenant) -> Site:
    ids = {name: uuid7() for name in ("contact", "organization", "address", "rep", "other_rep", "service")}
    with engine.connect() as connection:
        for statement in _ROWS.split(";\n"):
            given = {"t": tenant.id, "s": ids["contact"].hex, **ids}
            connection.execute(text(statement), {name: value for name, value in given.items() if f":{name}" in statement})
    return Site(**{f"{name}_id": one for name, one in ids.items()})


@pytest.fixture
def site(tenant, admin_engine) -> Site:
    """A contact who can be reached, with an address, an organization of their own, two reps and a service."""
    return make_site(admin_engine, tenant)


@pytest.fixture
def reminding(admin_engine, tenant, site, monkeypatch) -> "Reminding":
    """The tenant's reminders on their way, to providers that stand here."""
    from tests.work.reminding import Providers, Reminding

    made = Providers()
    monkeypatch.setattr(providers, "send", lambda message, *, once: made.send(message, once=once))
    with admin_engine.connect() as connection:
        connection.execute(text("update tenants set time_zone = 'America/New_York' where tenant_id = :t"), {"t": tenant.id})
    return Reminding(admin_engine, tenant, site, made)
