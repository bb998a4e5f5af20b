"""Who holds the keys that records of other systems are matched by: organizations, and contacts without one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text

from clientway.db import Tx
from clientway.identity.people import service as people
from clientway.identity.people.service import Reachable


@dataclass
class Wanted:
    """Keys to look for; ids are those of rows here, the others are normalised as the columns are."""

    organization_ids: set[str] = field(default_factory=set)
    contact_ids: set[str] = field(default_factory=set)
    source_ids: set[str] = field(default_factory=set)
    emails: set[str] = field(default_factory=set)
    phones: set[str] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    hubspot_contacts: set[str] = field(default_factory=set)
    hubspot_companies: set[str] = field(default_factory=set)
    stripe_customers: set[str] = field(default_factory=set)


# Only leakproof comparisons, each on an index: see design 2. The index on names is in the collation "C".
_ORGANIZATIONS = text("""
select o.id from organizations o where o.tenant_id = app.tenant() and o.id = any (cast(:organization_ids as uuid[]))
union select o.id from organizations o
       where o.tenant_id = app.tenant() and o.source = :source and o.source_id = any (cast(:source_ids as text[])) and o.deleted_at is null
union select o.id from organizations o
       where o.tenant_id = app.tenant() and o.hubspot_company_id = any (cast(:hubspot_companies as text[])) and o.deleted_at is null
union select o.id from organizations o
       where o.tenant_id = app.tenant() and o.stripe_customer_id = any (cast(:stripe_customers as text[])) and o.deleted_at is null
union select o.id from organizations o
       where o.tenant_id = app.tenant() and o.name_norm collate "C" = any (cast(:names as text[])) and o.deleted_at is null
union select l.organization_id from locations l
       where l.tenant_id = app.tenant() and l.address_key = any (cast(:addresses as text[])) and l.deleted_at is null
union select l.organization_id from locations l
       where l.tenant_id = app.tenant() and l.phone_e164 = any (cast(:phones as text[])) and l.deleted_at is null
union select c.organization_id from contacts c
       where c.tenant_id = app.tenant() and c.id = any (cast(:contact_ids as uuid[])) and c.deleted_at is null
union select c.organization_id from contact_emails e join contacts c on c.tenant_id = app.tenant() and c.id = e.contact_id
       where e.tenant_id = app.tenant() and e.email_norm = any (cast(:emails as text[])) and e.live and c.deleted_at is null
union select c.organization_id from contacts c
       where c.tenant_id = app.tenant() and c.phone_e164 = any (cast(:phones as text[])) and c.deleted_at is null
union select c.organization_id from contacts c
       where c.tenant_id = app.tenant() and c.hubspot_contact_id = any (cast(:hubspot_contacts as text[])) and c.deleted_at is null
""")
_CONTACTS = text("""
with hits as (
  select c.id from contacts c where c.tenant_id = app.tenant() and c.id = any (cast(:contact_ids as uuid[]))
  union select e.contact_id from contact_emails e
         where e.tenant_id = app.tenant() and e.email_norm = any (cast(:emails as text[])) and e.live
  union select c.id from contacts c where c.tenant_id = app.tenant() and c.phone_e164 = any (cast(:phones as text[]))
  union select c.id from contacts c where c.tenant_id = app.tenant() and c.hubspot_contact_id = any (cast(:hubspot_contacts as text[])))
select to_jsonb(c) from contacts c
 where c.tenant_id = app.tenant() and c.id in (select id from hits) and c.organization_id is null and c.deleted_at is null
 order by c.id for no key update of c
""")


def organizations(tx: Tx, wanted: Wanted, *, source: str) -> list[str]:
    """The ids of all organizations that hold one of the keys; source ids count within `source`."""
    given = {"source": source, **{name: _array(values) for name, values in vars(wanted).items()}}
    return [str(one) for one in tx.execute(_ORGANIZATIONS, given).scalars() if one is not None]


def contacts_alone(tx: Tx, wanted: Wanted) -> list[Mapping[str, Any]]:
    """Lock and read the contacts without an organization that hold one of the keys."""
    given = {name: _array(getattr(wanted, name)) for name in ("contact_ids", "emails", "phones", "hubspot_contacts")}
    return list(tx.execute(_CONTACTS, given).scalars())


_HOLDERS = text("""
select e.email_norm, c.organization_id, c.id from contact_emails e
  join contacts c on c.tenant_id = app.tenant() and c.id = e.contact_id and c.deleted_at is null
 where e.tenant_id = app.tenant() and e.email_norm = any (cast(:emails as text[])) and e.live
""")


def email_holders(tx: Tx, emails: Iterable[str]) -> dict[str, tuple[str | None, str]]:
    """Whose the e-mails are, be they primary or not: the organization, if any, and the contact, by e-mail."""
    asked = sorted(emails)
    rows = tx.execute(_HOLDERS, {"emails": asked}) if asked else ()
    return {row[0]: (row[1] and str(row[1]), str(row[2])) for row in rows}


_READDRESSED = text("""
select c.id, c.email_norm, array(select e.email_norm from contact_emails e
                                  where e.tenant_id = app.tenant() and e.contact_id = c.id and e.email_norm is distinct from c.email_norm)
  from contacts c where c.tenant_id = app.tenant() and c.id = any (cast(:ids as uuid[]))
""")


def link(tx: Tx, *, new: Iterable[Mapping[str, Any]] = (), readdressed: Sequence[str] = ()) -> None:
    """Link contacts that are new (their rows), and those that have another e-mail by now (their ids), to their persons."""
    linked = [Reachable(UUID(row["id"]), row.get("email_norm")) for row in new]
    if readdressed:
        linked += [Reachable(*row) for row in tx.execute(_READDRESSED, {"ids": _array(readdressed)})]
    if linked:
        people.link(tx, linked)


def _array(values: Iterable[str]) -> list[str] | str:
    return sorted(values) or "{}"
