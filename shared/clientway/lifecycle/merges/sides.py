"""Both contacts of a merge as they stand: what is read of them, and what follows for their organizations."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from clientway.identity.people.service import Reachable
from clientway.lifecycle.contacts import service as contacts
from clientway.lifecycle.merges.rules import Side
from clientway.lifecycle.organizations import rules as names
from clientway.lifecycle.organizations.dossier import Dossier

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Contact:
    """One side: the contact, and what hangs on it."""

    row: Row
    organization: Row | None
    shared: bool
    """Whether others live in the organization too, people or places."""
    facts: Row
    region: str

    @property
    def id(self) -> UUID:
        """The contact's."""
        return UUID(self.row["id"])

    @property
    def organization_id(self) -> str | None:
        """Where the contact belongs."""
        found: str | None = self.row["organization_id"]
        return found

    @property
    def own(self) -> bool:
        """Whether the organization is a private client's own: nobody else is in it."""
        return self.organization is not None and self.organization["entity_type"] == "individual" and not self.shared

    @property
    def colleague(self) -> Row | None:
        """The primary of the others in the organization, else the oldest."""
        found: Row | None = self.facts["colleague"]
        return found

    def derived(self, contact: Row | None) -> dict[str, Any]:
        """The derived columns of the organization once `contact` is its primary one."""
        own, places = self.organization or {}, self.facts["places"]
        dossier = Dossier(organization=own, region=self.region, currency="", tags=[], places=places, locations=[], contacts=[])
        return dossier.derived(location=self.facts["location"], contact=contact)


@dataclass(frozen=True)
class Sides:
    """The one that survives and the one that is merged into it."""

    survivor: Contact
    merged: Contact

    @property
    def own(self) -> dict[Side, bool]:
        """Which of them is a private client with an organization of its own."""
        return {"survivor": self.survivor.own, "merged": self.merged.own}

    def organization(self, organization_id: str | None) -> Contact | None:
        """The side that the organization is of."""
        return next((one for one in (self.survivor, self.merged) if organization_id and one.organization_id == organization_id), None)


def parse(found: Mapping[str, Any], contact_id: UUID | str) -> Contact | None:
    """One side of what app.merge_sides found; None when there is no such contact."""
    side = found.get(str(contact_id))
    return side and Contact(side["contact"], side["organization"], side["shared"], side, found["region"])


def searched(row: Row, emails: Iterable[Row], phones: Iterable[Row]) -> dict[str, Any]:
    """The columns that a contact is sorted and searched by, once these are all its e-mails and phones."""
    further = [names.reach(None, None, one["email_norm"]) for one in emails if one["email_norm"] != row["email_norm"]]
    further += [names.reach(one["phone"], one["phone_e164"], None) for one in phones if one["phone"] != row["phone"]]
    return contacts.found_by(row, further)


def linked(row: Row, emails: Iterable[Row]) -> Reachable:
    """Whom a contact is linked to once these are all its e-mails."""
    return Reachable(UUID(row["id"]), row["email_norm"], [one["email_norm"] for one in emails if one["email_norm"] != row["email_norm"]])
