"""Tenants, the people and machines that act for them, and their credentials."""

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Boolean,
    Column,
    FetchedValue,
    Integer,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from clientway.tables import metadata

tenants = Table(
    "tenants",
    metadata,
    Column("tenant_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("slug", Text, nullable=False),
    Column("time_zone", Text, nullable=False, server_default=FetchedValue()),
    Column("currency", Text, nullable=False, server_default=FetchedValue()),
    Column("phone_region", Text, nullable=False, server_default=FetchedValue()),
    Column("counts_machine_opens", Boolean, nullable=False, server_default=FetchedValue()),
    Column("version", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("email", Text, nullable=False),
    Column("email_norm", Text, nullable=False),
    Column("name", Text, nullable=False, server_default=FetchedValue()),
    Column("oidc_issuer", Text),
    Column("oidc_subject", Text),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

memberships = Table(
    "memberships",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, nullable=False),
    Column("role", Text, nullable=False),
    Column("revoked_at", TIMESTAMP(timezone=True)),
    Column("version", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

sessions = Table(
    "sessions",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, nullable=False),
    Column("token_hash", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("user_agent", Text),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("last_seen_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
    Column("revoked_at", TIMESTAMP(timezone=True)),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("token_hash", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created_by", Uuid),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("last_used_at", TIMESTAMP(timezone=True)),
    Column("expires_at", TIMESTAMP(timezone=True)),
    Column("revoked_at", TIMESTAMP(timezone=True)),
)

portal_sessions = Table(
    "portal_sessions",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("contact_id", Uuid, nullable=False),
    Column("token_hash", Text, nullable=False),
    Column("user_agent", Text),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("last_seen_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
    Column("revoked_at", TIMESTAMP(timezone=True)),
)

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid),
    Column("contact_id", Uuid),
    Column("token_hash", Text, nullable=False),
    Column("code_hash", Text, nullable=False),
    Column("nonce_hash", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=FetchedValue()),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
    Column("used_at", TIMESTAMP(timezone=True)),
)

platform_outbox = Table(
    "platform_outbox",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=FetchedValue()),
    Column("available_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("lease_until", TIMESTAMP(timezone=True)),
    Column("lease_token", Uuid),
    Column("last_error", Text),
    Column("sent_at", TIMESTAMP(timezone=True)),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)
