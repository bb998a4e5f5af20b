"""The list of organizations written the usual way: FastAPI, SQLAlchemy's ORM with relationships, asyncpg, response models.

Runs in an environment of its own (requirements/bench.txt) and knows nothing of this package. The same columns, filters,
order and cursor; the same credential, looked up by its hash, whose tenant every query names. The database has no part in
it beyond its tables: no row security, since this connects as the superuser.

Called as `usual.py URL TOKEN`; then each line of its input is a number of requests, answered by a JSON list of their
milliseconds, and an empty line by the body of the last one.
"""

import base64
import hashlib
import json
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import uvloop
from fastapi import Depends, FastAPI, Header, HTTPException, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import ARRAY, DateTime, ForeignKeyConstraint, Text, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload


class Base(DeclarativeBase):
    """All mapped classes."""

    type_annotation_map = {list[str]: ARRAY(Text), datetime: DateTime(timezone=True)}  # noqa: RUF012


class ApiKey(Base):
    """A credential."""

    __tablename__ = "api_keys"
    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[str]
    role: Mapped[str]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class Rep(Base):
    """Who looks after organizations."""

    __tablename__ = "reps"
    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str]
    name: Mapped[str]


class Tag(Base):
    """A tag of an organization."""

    __tablename__ = "organization_tags"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "organization_id"], ["organizations.tenant_id", "organizations.id"]),)
    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True)


class Location(Base):
    """A place."""

    __tablename__ = "locations"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "organization_id"], ["organizations.tenant_id", "organizations.id"]),)
    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID]
    name: Mapped[str]
    city: Mapped[str | None]
    state: Mapped[str | None]
    phone: Mapped[str | None]
    email: Mapped[str | None]
    website_url: Mapped[str | None]
    pos_system: Mapped[str | None]
    is_primary: Mapped[bool]
    deleted_at: Mapped[datetime | None]


class Contact(Base):
    """A person."""

    __tablename__ = "contacts"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "organization_id"], ["organizations.tenant_id", "organizations.id"]),)
    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    title: Mapped[str | None]
    role_type: Mapped[str | None]
    is_primary: Mapped[bool]
    deleted_at: Mapped[datetime | None]


class Organization(Base):
    """A company."""

    __tablename__ = "organizations"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "assigned_rep_id"], ["reps.tenant_id", "reps.id"]),)
    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    legal_name: Mapped[str]
    dba_name: Mapped[str | None]
    slug: Mapped[str]
    entity_type: Mapped[str | None]
    industry: Mapped[str]
    lifecycle_stage: Mapped[str]
    lifecycle_changed_at: Mapped[datetime]
    lifecycle_changed_by: Mapped[str | None]
    source: Mapped[str | None]
    source_id: Mapped[str | None]
    source_campaign: Mapped[str | None]
    hubspot_company_id: Mapped[str | None]
    stripe_customer_id: Mapped[str | None]
    square_customer_id: Mapped[str | None]
    assigned_rep_id: Mapped[UUID | None]
    notes: Mapped[str | None]
    data_completeness: Mapped[int]
    missing_fields: Mapped[list[str]]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

    tag_rows: Mapped[list[Tag]] = relationship(order_by=Tag.tag, viewonly=True)
    assigned_rep: Mapped[Rep | None] = relationship(viewonly=True)
    primary_location: Mapped[Location | None] = relationship(
        primaryjoin=lambda: and_(
            Location.tenant_id == Organization.tenant_id, Location.organization_id == Organization.id,
            Location.is_primary, Location.deleted_at.is_(None),
        ), viewonly=True, uselist=False,
    )  # fmt: skip
    primary_contact: Mapped[Contact | None] = relationship(
        primaryjoin=lambda: and_(
            Contact.tenant_id == Organization.tenant_id, Contact.organization_id == Organization.id,
            Contact.is_primary, Contact.deleted_at.is_(None),
        ), viewonly=True, uselist=False,
    )  # fmt: skip

    @property
    def tags(self) -> list[str]:
        """The tags alone."""
        return [one.tag for one in self.tag_rows]


class Answer(BaseModel):
    """What is read from a row."""

    model_config = ConfigDict(from_attributes=True)


class RepAnswer(Answer):
    """A rep in short."""

    id: UUID
    slug: str
    name: str


class LocationAnswer(Answer):
    """A location in short."""

    id: UUID
    name: str
    city: str | None
    state: str | None
    phone: str | None
    email: str | None
    website_url: str | None
    pos_system: str | None


class ContactAnswer(Answer):
    """A contact in short."""

    id: UUID
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    title: str | None
    role_type: str | None


class OrganizationAnswer(Answer):
    """An organization with what is known of it."""

    id: UUID
    legal_name: str
    dba_name: str | None
    slug: str
    entity_type: str | None
    industry: str
    lifecycle_stage: str
    lifecycle_changed_at: datetime
    lifecycle_changed_by: str | None
    source: str | None
    source_id: str | None
    source_campaign: str | None
    hubspot_company_id: str | None
    stripe_customer_id: str | None
    square_customer_id: str | None
    tags: list[str]
    notes: str | None
    data_completeness: int
    missing_fields: list[str]
    assigned_rep: RepAnswer | None
    primary_location: LocationAnswer | None
    primary_contact: ContactAnswer | None
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class PageAnswer(BaseModel):
    """A page of organizations."""

    data: list[OrganizationAnswer]
    has_more: bool
    next_cursor: str | None


URL, TOKEN = sys.argv[1:3]
app = FastAPI()
engine = create_async_engine(URL.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=1)
sessions = async_sessionmaker(engine, expire_on_commit=False)


async def session() -> AsyncIterator[AsyncSession]:
    """One transaction for a request."""
    async with sessions() as opened:
        yield opened
        await opened.commit()


Session = Annotated[AsyncSession, Depends(session)]


async def tenant(session: Session, authorization: Annotated[str, Header()]) -> UUID:
    """Whose the credential is; its last use is noted once a minute."""
    now = datetime.now(UTC)
    digest = hashlib.sha256(authorization.removeprefix("Bearer ").encode()).hexdigest()
    key = (await session.execute(select(ApiKey).where(ApiKey.token_hash == digest))).scalar_one_or_none()
    if key is None or key.revoked_at is not None or (key.expires_at is not None and key.expires_at < now):
        raise HTTPException(401)
    if key.role not in {"admin", "editor", "viewer"}:
        raise HTTPException(403)
    if key.last_used_at is None or key.last_used_at < now - timedelta(minutes=1):
        key.last_used_at = now
    return key.tenant_id


@app.get("/api/organizations")
async def list_organizations(
    session: Session,
    tenant_id: Annotated[UUID, Depends(tenant)],
    lifecycle_stage: str | None = None,
    source: str | None = None,
    include_deleted: bool = False,  # noqa: FBT001, FBT002
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: str | None = None,
) -> PageAnswer:
    """The latest changed first."""
    statement = select(Organization).where(Organization.tenant_id == tenant_id)
    if not include_deleted:
        statement = statement.where(Organization.deleted_at.is_(None))
    if lifecycle_stage is not None:
        statement = statement.where(Organization.lifecycle_stage == lifecycle_stage)
    if source is not None:
        statement = statement.where(Organization.source == source)
    if cursor is not None:
        after, last = json.loads(base64.urlsafe_b64decode(cursor))
        at = datetime.fromisoformat(after)
        statement = statement.where(or_(Organization.updated_at < at, and_(Organization.updated_at == at, Organization.id < UUID(last))))
    statement = statement.order_by(Organization.updated_at.desc(), Organization.id.desc()).limit(limit + 1)
    related = ("tag_rows", "assigned_rep", "primary_location", "primary_contact")
    statement = statement.options(*(selectinload(getattr(Organization, name)) for name in related))
    rows = (await session.execute(statement)).scalars().all()
    shown, has_more = rows[:limit], len(rows) > limit
    following = None
    if has_more:
        following = base64.urlsafe_b64encode(json.dumps([shown[-1].updated_at.isoformat(), str(shown[-1].id)]).encode()).decode()
    return PageAnswer(data=[OrganizationAnswer.model_validate(row) for row in shown], has_more=has_more, next_cursor=following)


async def request() -> bytes:
    """Call the application as a server would, without one."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/api/organizations",
        "raw_path": b"/api/organizations", "query_string": b"limit=50", "root_path": "",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1),
        "headers": [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {TOKEN}".encode())],
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if sent[0]["status"] != 200:  # noqa: PLR2004
        raise RuntimeError(sent)
    return b"".join(message.get("body", b"") for message in sent)


async def main() -> None:
    """Answer the lines of the input."""
    body = b""
    for line in sys.stdin:
        times = []
        for _ in range(int(line or 0) if line.strip() else 0):
            started = time.perf_counter()
            body = await request()
            times.append((time.perf_counter() - started) * 1000)
        print(json.dumps(times) if line.strip() else body.decode(), flush=True)


uvloop.run(main())
