"""Imports and what each row of one became."""

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Boolean,
    Column,
    FetchedValue,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from clientway.tables import metadata

imports = Table(
    "imports",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("status", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("object_key", Text),
    Column("inline_content", LargeBinary),
    Column("content_sha256", Text),
    Column("columns", JSONB),
    Column("mapping", JSONB),
    Column("options", JSONB, nullable=False, server_default=FetchedValue()),
    Column("preview", JSONB),
    Column("rows_total", Integer, nullable=False, server_default=FetchedValue()),
    Column("rows_done", Integer, nullable=False, server_default=FetchedValue()),
    Column("created_count", Integer, nullable=False, server_default=FetchedValue()),
    Column("updated_count", Integer, nullable=False, server_default=FetchedValue()),
    Column("skipped_count", Integer, nullable=False, server_default=FetchedValue()),
    Column("failed_count", Integer, nullable=False, server_default=FetchedValue()),
    Column("undone_count", Integer, nullable=False, server_default=FetchedValue()),
    Column("error", Text),
    Column("created_by", Uuid),
    Column("started_at", TIMESTAMP(timezone=True)),
    Column("finished_at", TIMESTAMP(timezone=True)),
    Column("version", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

import_rows = Table(
    "import_rows",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("import_id", Uuid, primary_key=True),
    Column("row_number", Integer, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("cells", JSONB),
    Column("organization_id", Uuid),
    Column("location_id", Uuid),
    Column("contact_id", Uuid),
    Column("undo", JSONB),
    Column("undone_at", TIMESTAMP(timezone=True)),
)

import_mappings = Table(
    "import_mappings",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("mapping", JSONB, nullable=False),
    Column("version", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

source_records = Table(
    "source_records",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("source", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("organization_id", Uuid),
    Column("location_id", Uuid),
    Column("contact_id", Uuid),
    Column("marks", JSONB, nullable=False),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

stripe_accounts = Table(
    "stripe_accounts",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("endpoint_id", Uuid, nullable=False),
    Column("mode", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("account_id", Text),
    Column("livemode", Boolean),
    Column("key_hint", Text),
    Column("onboarding_url", Text),
    Column("error", Text),
    Column("open_pages", Integer, nullable=False, server_default=FetchedValue()),
    Column("version", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

stripe_events = Table(
    "stripe_events",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("event_id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("object_id", Text),
    Column("outcome", Text, nullable=False),
    Column("detail", Text),
    Column("received_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

stripe_objects = Table(
    "stripe_objects",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("object_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("fetched_at", TIMESTAMP(timezone=True), nullable=False),
    Column("state_hash", Text, nullable=False),
    Column("state", JSONB, nullable=False, server_default=FetchedValue()),
)

stripe_plans = Table(
    "stripe_plans",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("lookup_key", Text, nullable=False),
    Column("support_plan_tier", Text, nullable=False),
    Column("support_minutes_included", Integer, nullable=False, server_default=FetchedValue()),
    Column("version", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("organization_id", Uuid, nullable=False),
    Column("provider", Text, nullable=False, server_default=FetchedValue()),
    Column("provider_id", Text, nullable=False),
    Column("provider_customer_id", Text),
    Column("status", Text, nullable=False),
    Column("support_plan_tier", Text, nullable=False, server_default=FetchedValue()),
    Column("lookup_key", Text),
    Column("mrr_cents", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("currency", Text, nullable=False),
    Column("current_period_start", TIMESTAMP(timezone=True)),
    Column("current_period_end", TIMESTAMP(timezone=True)),
    Column("ends_at", TIMESTAMP(timezone=True)),
    Column("ended_at", TIMESTAMP(timezone=True)),
    Column("version", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)
