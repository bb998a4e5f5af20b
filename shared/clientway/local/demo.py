"""The demo tenant: invented businesses, the same on every machine, made through the services that a user would call."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from clientway import db, effects, tokens
from clientway.access import ADMINS
from clientway.db import Tx
from clientway.errors import NotFound
from clientway.identity.tenants import service as tenants
from clientway.lifecycle.contacts import service as contacts
from clientway.lifecycle.contacts.schemas import ContactCreate
from clientway.lifecycle.locations import service as locations
from clientway.lifecycle.locations.schemas import LocationCreate
from clientway.lifecycle.organizations import service as organizations
from clientway.lifecycle.organizations.schemas import OrganizationCreate
from clientway.lifecycle.reps import service as reps
from clientway.lifecycle.reps.schemas import RepCreate
from clientway.lifecycle.stages import service as stages
from clientway.lifecycle.stages.schemas import Conversion
from clientway.lifecycle.timeline import service as timeline
from clientway.lifecycle.timeline.rules import ActivityType
from clientway.lifecycle.timeline.schemas import ActivityCreate

SLUG = "demo"
ADMIN_EMAIL = "owner@demo.example"
_SEED = 20_260_126
_ORGANIZATIONS = 60
_FIRST = ("Golden", "Blue", "Old Town", "Harbor", "Copper", "Sunny", "Little", "Green", "Silver", "Corner")
_KIND = ("Noodle House", "Taqueria", "Bistro", "Bakery", "Grill", "Diner", "Oyster Bar", "Pizzeria", "Tea Room", "Kitchen")
_PLACES = (
    ("Springfield", "IL", "62701"), ("Portland", "OR", "97201"), ("Austin", "TX", "78701"), ("Savannah", "GA", "31401"),
    ("Boise", "ID", "83702"),
)  # fmt: skip
_PEOPLE = (
    "Ana Ruiz", "Ben Okafor", "Chloe Martin", "Dev Patel", "Elif Kaya", "Finn Olsen", "Grace Kim", "Hugo Silva", "Iris Novak",
    "Jonas Weber",
)  # fmt: skip
_POS = ("Toast", "Square", "Clover", None)
_SOURCES = ("website", "referral", "builtwith", "manual")
# Every fifth has no rep yet.
_UNASSIGNED = 5
# How far each tenth of the organizations has come.
_HISTORIES: tuple[tuple[ActivityType, ...], ...] = (
    (), (), (), (ActivityType.EMAIL_OPENED,), (ActivityType.EMAIL_CLICKED,), (ActivityType.EMAIL_CLICKED, ActivityType.EMAIL_REPLIED),
    (ActivityType.EMAIL_REPLIED, ActivityType.MEETING_SCHEDULED), (ActivityType.EMAIL_REPLIED, ActivityType.CALL_OUTBOUND),
    (ActivityType.EMAIL_CLICKED, ActivityType.MEETING_COMPLETED), (ActivityType.EMAIL_REPLIED, ActivityType.MEETING_COMPLETED),
)  # fmt: skip
_CLIENTS_FROM = 8
_TITLES = {
    ActivityType.EMAIL_OPENED: "Opened “Menus that pay”",
    ActivityType.EMAIL_CLICKED: "Clicked the price list",
    ActivityType.EMAIL_REPLIED: "Replied: tell me more",
    ActivityType.MEETING_SCHEDULED: "Call on Thursday, 10:00",
    ActivityType.MEETING_COMPLETED: "First meeting",
    ActivityType.CALL_OUTBOUND: "Left a message",
}


def seed(admin_url: str, *, known_key: str | None = None) -> str:
    """Make the demo tenant unless it is there, and return an API key of its admin: `known_key` while that still works.

    The process's environment must name the database (clientway.config). An interrupted seeding is taken up where it
    stopped: every step asks first whether it is done.
    """
    try:
        tenant_id = tenants.find(admin_url, SLUG)
    except NotFound:
        zone = "America/Chicago"
        tenant_id = tenants.create(admin_url, name="Demo Consulting", slug=SLUG, admin_email=ADMIN_EMAIL, time_zone=zone).tenant_id
    if known_key and _works(known_key):
        key = known_key
    else:
        key = tenants.issue_api_key(admin_url, tenant_id=tenant_id, name="demo", role="admin").token
    draw = random.Random(_SEED)  # noqa: S311  (the same businesses everywhere, not a secret)
    rep_ids = _reps(key)
    for number in range(_ORGANIZATIONS):
        _organization(key, number, draw, rep_ids)
    return key


@contextmanager
def _transaction(key: str) -> Iterator[Tx]:
    tx = db.begin(db.Credential(tokens.digest(key), ADMINS), now=datetime.now(UTC))
    try:
        yield tx
        effects.flush(tx)
    except BaseException:
        db.rollback(tx)
        raise
    db.commit(tx)


def _works(key: str) -> bool:
    from clientway.errors import Unauthorized  # noqa: PLC0415

    try:
        with _transaction(key) as tx:
            return tx.tenant_id is not None
    except Unauthorized:
        return False


def _reps(key: str) -> list[UUID]:
    from clientway.paging import Request  # noqa: PLC0415

    with _transaction(key) as tx:
        there = json.loads(reps.find(tx, Request(25, None, "slug", {}), active=None))["data"]
        if there:
            return [UUID(one["id"]) for one in there]
        names = ("Rosa Delgado", "Sam Whitfield")
        made = [json.loads(reps.create(tx, RepCreate(name=name, email=f"{name.split()[0].lower()}@demo.example"))) for name in names]
        return [UUID(one["id"]) for one in made]


def _organization(key: str, number: int, draw: random.Random, rep_ids: list[UUID]) -> None:
    first, kind = _FIRST[number % 10], _KIND[(number // 10 + number) % 10]
    name, person = f"{first} {kind}", draw.choice(_PEOPLE)
    (city, state, postal), pos, source = draw.choice(_PLACES), draw.choice(_POS), draw.choice(_SOURCES)
    street, seats, days, mrr = draw.randrange(100, 999), draw.randrange(20, 140), draw.randrange(1, 80), draw.randrange(200, 2000) * 100
    with _transaction(key) as tx:
        from clientway.errors import Conflict  # noqa: PLC0415

        given = OrganizationCreate(
            legal_name=f"{name} LLC", dba_name=name, source=source, source_id=f"demo-{number:03}",
            assigned_rep_id=rep_ids[number % len(rep_ids)] if number % _UNASSIGNED else None, tags=["demo", kind.split()[-1].lower()],
        )  # fmt: skip
        try:
            organization = json.loads(organizations.create(tx, given))
        except Conflict:
            return
        organization_id = UUID(organization["id"])
        place = LocationCreate(
            name=name, address_line1=f"{street} Main Street", city=city, state=state, zip=postal, phone=f"(415) 555-{100 + number:04}",
            website_url=f"https://{organization['slug']}.example", pos_system=pos, seating_capacity=seats,
        )  # fmt: skip
        locations.create(tx, organization_id, place)
        if number % 7:
            first_name, last_name = person.split()
            email = f"{first_name}.{last_name}{number}@{organization['slug']}.example".lower()
            owner = ContactCreate(first_name=first_name, last_name=last_name, email=email, role_type="owner", portal_enabled=True)
            contacts.create(tx, organization_id, owner)
        for step, activity_type in enumerate(_HISTORIES[number % 10]):
            when = tx.now - timedelta(days=days - step if days > step else 0, hours=1)
            timeline.add(tx, organization_id, ActivityCreate(activity_type=activity_type, title=_TITLES[activity_type], occurred_at=when))
        if number % 10 >= _CLIENTS_FROM:
            since = tx.now - timedelta(days=days * 6)
            signed = Conversion(support_plan_tier="core", support_minutes_included=600, mrr_cents=mrr, client_since=since, reason="Signed")
            stages.convert(tx, organization_id, signed)
