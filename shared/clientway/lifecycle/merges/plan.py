"""What a merge will do, decided from both sides: the survivor's columns, its organization, consents, and what stands in the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from clientway.lifecycle.merges import rules
from clientway.lifecycle.merges.rules import Side
from clientway.lifecycle.merges.schemas import MergeConflict, MergeConsent, MergeField, MergePreview
from clientway.lifecycle.merges.sides import Contact, Sides, searched
from clientway.lifecycle.stages.rules import Stage

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """The decisions, before anything is written."""

    sides: Sides
    fields: list[rules.Field]
    target: Contact | None
    """The side whose organization the survivor belongs to afterwards."""
    emptied: list[Contact]
    columns: dict[str, Any]
    consents: list[rules.Consent]
    conflicts: list[MergeConflict]

    @property
    def organization_id(self) -> UUID | None:
        """Where the survivor belongs afterwards."""
        return UUID(self.target.organization_id) if self.target else None

    @property
    def stage(self) -> Stage | None:
        """Where its organization stands afterwards: the furthest of those that become one."""
        if self.target is None or self.target.organization is None:
            return None
        found: Stage | None = Stage(self.target.organization["lifecycle_stage"])
        for one in self.emptied:
            found = rules.furthest(found, Stage((one.organization or {})["lifecycle_stage"]))
        return found

    def preview(self) -> MergePreview:
        """The plan as a caller reads it."""
        survivor, merged = self.sides.survivor, self.sides.merged
        return MergePreview(
            survivor_id=survivor.id,
            merged_id=merged.id,
            organization_id=self.organization_id,
            closed_organization_ids=[UUID(one.organization_id) for one in self.emptied],
            lifecycle_stage=self.stage,
            fields=[MergeField.model_validate(vars(field)) for field in self.fields],
            consents=[MergeConsent.model_validate(vars(consent)) for consent in self.consents],
            moves={name: count for name, count in self._moves().items() if count},
            conflicts=self.conflicts,
        )

    def _moves(self) -> dict[str, int]:
        mine, theirs = self.sides.survivor.facts, self.sides.merged.facts
        numbers = {one["phone_e164"] or one["phone"] for one in mine["phones"]}
        return {
            **theirs["counts"],
            "contact_emails": len(theirs["emails"]),
            "contact_phones": sum((one["phone_e164"] or one["phone"]) not in numbers for one in theirs["phones"]),
            "contact_tags": len(set(theirs["tags"]) - set(mine["tags"])),
            "contact_custom_values": len(set(theirs["values"]) - set(mine["values"])),
            "household_members": int(theirs["household"] is not None and mine["household"] is None),
        }

    def derived(self) -> dict[str, dict[str, Any]]:
        """The derived columns of the organizations that stay, by their ids."""
        survivor, merged = self.sides.survivor, self.sides.merged
        found: dict[str, dict[str, Any]] = {}
        for side in (survivor, merged):
            if side.organization_id is None or side in self.emptied:
                continue
            mine = self.target is not None and side.organization_id == self.target.organization_id
            row = {**survivor.row, **self.columns}
            found[side.organization_id] = side.derived(row if mine and row["is_primary"] else side.colleague)
        return found

    def successor(self) -> str | None:
        """Who becomes primary where a primary contact leaves: the oldest of those that stay."""
        for side in (self.sides.survivor, self.sides.merged):
            leaves = self.target is None or side.organization_id != self.target.organization_id
            if leaves and side.row["is_primary"] and side.colleague is not None:
                found: str = side.colleague["id"]
                return found
        return None


def decide(sides: Sides, choices: Mapping[str, Side], *, across: bool) -> Plan:
    """Decide everything that a merge does."""
    survivor, merged = sides.survivor, sides.merged
    fields = rules.resolve(survivor.row, merged.row, choices, own=sides.own)
    columns = rules.columns(fields, merged.row)
    organization_id = next(field.value for field in fields if field.name == "organization_id")
    target = sides.organization(organization_id)
    emptied = [side for side in (survivor, merged) if side.own and side.organization_id != organization_id]
    here = [side for side in (survivor, merged) if organization_id and side.organization_id == organization_id]
    is_primary = any(side.row["is_primary"] for side in here)
    if is_primary != survivor.row["is_primary"]:
        columns["is_primary"] = is_primary
    emails, phones = ([*survivor.facts[kind], *merged.facts[kind]] for kind in ("emails", "phones"))
    columns |= searched({**survivor.row, **columns}, emails, phones)
    consents = rules.stricter(survivor.facts["consents"], merged.facts["consents"])
    return Plan(sides, fields, target, emptied, columns, consents, list(_conflicts(sides, choices, across=across)))


def _conflicts(sides: Sides, choices: Mapping[str, Side], *, across: bool) -> list[MergeConflict]:
    survivor, merged = sides.survivor, sides.merged
    found = []
    one, other = survivor.organization, merged.organization
    if one and other and one["id"] != other["id"]:
        if not survivor.own and not merged.own:
            told = "They work at two different companies; send across_organizations to merge them nevertheless."
            found.append(MergeConflict(code="different_organizations", message=told, blocks=not across))
        if other["lifecycle_stage"] == Stage.BLACKLIST != one["lifecycle_stage"]:
            told = "The other's organization is on the blacklist; put the survivor's there too, or take that one off it."
            found.append(MergeConflict(code="blacklisted", message=told, blocks=True))
        both = [name for name in rules.ACCOUNT_IDS if one[name] is not None and other[name] is not None and one[name] != other[name]]
        if both and (survivor.own or merged.own):
            told = f"Both organizations have an id of their own in another system ({', '.join(both)}); that of the one that stays is kept."
            found.append(MergeConflict(code="two_accounts", message=told, blocks=False))
    ids = [side.row["hubspot_contact_id"] for side in (survivor, merged)]
    if None not in ids and ids[0] != ids[1]:
        told = "Both have a HubSpot id; choose which one stays."
        found.append(MergeConflict(code="two_hubspot_ids", message=told, blocks="hubspot_contact_id" not in choices))
    for kind, key in (("emails", "email_norm"), ("phones", "phone_e164")):
        known = {row[key] or row.get("phone") for side in (survivor, merged) for row in side.facts[kind]}
        if len(known) > rules.MOST_ADDRESSES:
            told = f"Together they have {len(known)} {kind}; a contact has at most {rules.MOST_ADDRESSES}. Take some away first."
            found.append(MergeConflict(code=f"too_many_{kind}", message=told, blocks=True))
    if survivor.facts["household"] and merged.facts["household"] not in (None, survivor.facts["household"]):
        told = "They are of two households; the survivor stays in its own."
        found.append(MergeConflict(code="two_households", message=told, blocks=False))
    return found
