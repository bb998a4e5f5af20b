"""Contacts that were there before each had several e-mails and phones: brought over by an administrator as Aurora has."""

import pytest
from alembic import command
from sqlalchemy import text

from clientway.ids import uuid7
from clientway.migrations import run
from tests.operations.test_schema import admin as _admin
from tests.operations.test_schema import cluster as _cluster
from tests.operations.test_schema import superuser

admin, cluster = _admin, _cluster
# Slug, e-mail, phone and its number, and whether it is deleted.
OLD = [
    ("both", "Ann@One.example", "305 555 0101", "+13055550101", False),
    ("mail", "bo@one.example", None, None, False),
    ("phone", None, "call the porter", None, False),
    ("gone", "bo@one.example", "305 555 0101", "+13055550101", True),
    ("name", None, None, None, False),
]


def test_each_has_the_addresses_it_had(admin, cluster):
    with pytest.MonkeyPatch.context() as patch:
        upgrade = command.upgrade
        patch.setattr(run.command, "upgrade", lambda config, _: upgrade(config, "0008"))
        patch.setattr(run.zones, "write", lambda _: None)
        assert run.migrate(admin) == "0008"
    tenant = uuid7()
    with superuser(cluster, "clientway") as connection:
        connection.execute(text("insert into tenants (tenant_id, name, slug) values (:t, 'T', 't')"), {"t": tenant})
        for slug, email, phone, number, deleted in OLD:
            connection.execute(
                text("""insert into contacts (tenant_id, id, slug, email, email_norm, phone, phone_e164, deleted_at, name_norm, search_text)
                        values (:t, :c, :slug, :email, lower(:email), :phone, :number, case when :deleted then now() end, '', '')"""),
                {"t": tenant, "c": uuid7(), "slug": slug, "email": email, "phone": phone, "number": number, "deleted": deleted},
            )
    assert run.migrate(admin) == run.newest()

    with superuser(cluster, "clientway") as connection:
        emails = connection.execute(
            text("""select c.slug, e.email, e.email_norm, e.is_primary, e.live from contact_emails e
                      join contacts c on c.tenant_id = e.tenant_id and c.id = e.contact_id order by c.slug""")
        ).all()
        phones = connection.execute(
            text("""select c.slug, p.phone, p.phone_e164, p.is_primary, p.live from contact_phones p
                      join contacts c on c.tenant_id = p.tenant_id and c.id = p.contact_id order by c.slug""")
        ).all()
        forced = connection.execute(text("select relforcerowsecurity from pg_class where oid = 'public.contacts'::regclass")).scalar_one()
    expected = [
        (slug, email, email.lower(), True, not deleted)
        for slug, email, _, _, deleted in sorted(OLD, key=lambda row: row[0])
        if email is not None
    ]
    assert [tuple(row) for row in emails] == expected
    assert [tuple(row) for row in phones] == [
        (slug, phone, number, True, not deleted)
        for slug, _, phone, number, deleted in sorted(OLD, key=lambda row: row[0])
        if phone is not None
    ]
    assert forced
