"""The demo tenant: invented businesses, the same on every machine, made through the services that a user would call."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from clientway import db, effects, tokens
from clientway.access import ADMINS
from clientway.db import Tx
from clientway.errors import Conflict, NotFound, Unauthorized
from clientway.identity.tenants import service as tenants
from clientway.lifecycle.accounts import reports
from clientway.lifecycle.contacts import service as contacts
from clientway.lifecycle.contacts.schemas import ContactCreate
from clientway.lifecycle.locations import service as locations
from clientway.lifecycle.locations.schemas import LocationCreate
from clientway.lifecycle.organizations import service as organizations
from clientway.lifecycle.organizations.schemas import OrganizationCreate
from clientway.lifecycle.reps import service as reps
from clientway.lifecycle.reps.schemas import RepCreate
from clientway.lifecycle.timeline import service as timeline
from clientway.lifecycle.timeline.rules import ActivityType
from clientway.lifecycle.timeline.schemas import ActivityCreate
from clientway.local import demo_history, demo_messages
from clientway.paging import Request

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
        tenants.assign_sms_sender(admin_url, tenant=SLUG, sender=demo_messages.SENDER)
    if known_key and _works(known_key):
        key = known_key
    else:
        key = tenants.issue_api_key(admin_url, tenant_id=tenant_id, name="demo", role="admin").token
    rep_ids = _reps(key)
    # Where somebody has something of the same name, they need none of ours.
    with suppress(Conflict), _transaction(key) as tx:
        demo_messages.prepare(tx)
    for number in range(_ORGANIZATIONS):
        _organization(key, number, rep_ids)
    # What the schedule does every hour; nobody should have to wait for it to see a score.
    reports.recalculate_all([tenant_id], db.job_transaction, until=lambda: False)
    return key


def tenant(admin_url: str) -> UUID | None:
    """The demo tenant's id, where there is one."""
    try:
        return tenants.find(admin_url, SLUG)
    except NotFound:
        return None


@contextmanager
def _transaction(key: str) -> Iterator[Tx]:
    tx = db.begin(db.Credential(tokens.digest(key), ADMINS), now=datetime.now(UTC))
    try:
        yield tx
    except BaseException:
        db.rollback(tx)
        raise
    db.commit(tx, effects.pending(tx))


def _works(key: str) -> bool:
    try:
        with _transaction(key) as tx:
            return tx.tenant_id is not None
    except Unauthorized:
        return False


def _reps(key: str) -> list[UUID]:
    with _transaction(key) as tx:
        there = json.loads(reps.find(tx, Request(25, None, "slug", {}), active=None))["data"]
        if there:
            return [UUID(one["id"]) for one in there]
        names = ("Rosa Delgado", "Sam Whitfield")
        made = [json.loads(reps.create(tx, RepCreate(name=name, email=f"{name.split()[0].lower()}@demo.example"))) for name in names]
        return [UUID(one["id"]) for one in made]


def _organization(key: str, number: int, rep_ids: list[UUID]) -> None:
    draw = random.Random(_SEED + number)  # noqa: S311  (the same businesses everywhere, not a secret)
    first, kind = _FIRST[number % 10], _KIND[(number // 10 + number) % 10]
    name, rep_id = f"{first} {kind}", rep_ids[number % len(rep_ids)] if number % _UNASSIGNED else None
    with _transaction(key) as tx:
        given = OrganizationCreate(
            legal_name=f"{name} LLC", dba_name=name, source=draw.choice(_SOURCES), source_id=f"demo-{number:03}",
            assigned_rep_id=rep_id, tags=["demo", kind.split()[-1].lower()],
        )  # fmt: skip
        try:
            organization = json.loads(organizations.create(tx, given))
        except Conflict:
            return
        organization_id = UUID(organization["id"])
        contact_id = _who_and_where(tx, organization_id, organization["slug"], number, name, draw)
        today, days = tx.now, draw.randrange(1, 80)
        history = _HISTORIES[number % 10]
        for step, activity_type in enumerate(history):
            tx.now = today - timedelta(days=days - step if days > step else 0, hours=1)
            told = ActivityCreate(activity_type=activity_type, title=_TITLES[activity_type], contact_id=contact_id)
            timeline.add(tx, organization_id, told)
        tx.now = today
        if number % 10 >= _CLIENTS_FROM:
            demo_history.serve(tx, organization_id, contact_id, number, draw)
        elif number % 10 == _CLIENTS_FROM - 1:
            demo_history.negotiate(tx, organization_id, contact_id, rep_id, draw)


def _who_and_where(tx: Tx, organization_id: UUID, slug: str, number: int, name: str, draw: random.Random) -> UUID | None:
    """An address, and for most an owner; returns the owner's id."""
    city, state, postal = draw.choice(_PLACES)
    place = LocationCreate(
        name=name, address_line1=f"{draw.randrange(100, 999)} Main Street", city=city, state=state, zip=postal,
        phone=f"(415) 555-{100 + number:04}", website_url=f"https://{slug}.example",
        pos_system=draw.choice(_POS), seating_capacity=draw.randrange(20, 140),
    )  # fmt: skip
    locations.create(tx, organization_id, place)
    if not number % 7:
        return None
    first_name, last_name = draw.choice(_PEOPLE).split()
    email = f"{first_name}.{last_name}{number}@{slug}.example".lower()
    owner = ContactCreate(
        first_name=first_name, last_name=last_name, email=email, phone=demo_messages.phone(number), role_type="owner", portal_enabled=True
    )
    contact_id = UUID(json.loads(contacts.create(tx, organization_id, owner))["id"])
    demo_messages.agree(tx, contact_id, number)
    return contact_id
