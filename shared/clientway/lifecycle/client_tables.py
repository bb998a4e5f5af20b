"""What a tenant knows of its clients beside who they are: reach, notes, fields of its own, consent, households, merges."""

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    FetchedValue,
    Integer,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from clientway.tables import metadata

contact_emails = Table(
    "contact_emails",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("contact_id", Uuid, nullable=False),
    Column("email", Text, nullable=False),
    Column("email_norm", Text, nullable=False),
    Column("label", Text),
    Column("is_primary", Boolean, nullable=False, server_default=FetchedValue()),
    Column("live", Boolean, nullable=False, server_default=FetchedValue()),
    Column("verified_at", TIMESTAMP(timezone=True)),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

contact_phones = Table(
    "contact_phones",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("contact_id", Uuid, nullable=False),
    Column("phone", Text, nullable=False),
    Column("phone_e164", Text),
    Column("label", Text),
    Column("is_primary", Boolean, nullable=False, server_default=FetchedValue()),
    Column("live", Boolean, nullable=False, server_default=FetchedValue()),
    Column("verified_at", TIMESTAMP(timezone=True)),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

contact_addresses = Table(
    "contact_addresses",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("contact_id", Uuid, nullable=False),
    Column("label", Text),
    Column("address1", Text, nullable=False),
    Column("address2", Text),
    Column("city", Text),
    Column("state", Text),
    Column("postal", Text),
    Column("country", Text, nullable=False, server_default=FetchedValue()),
    Column("latitude", Double),
    Column("longitude", Double),
    Column("time_zone", Text),
    Column("address_key", Text),
    Column("version", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("deleted_at", TIMESTAMP(timezone=True)),
)

contact_tags = Table(
    "contact_tags",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("contact_id", Uuid, primary_key=True),
    Column("tag", Text, primary_key=True),
)

contact_notes = Table(
    "contact_notes",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("contact_id", Uuid, nullable=False),
    Column("body", Text, nullable=False),
    Column("pinned", Boolean, nullable=False, server_default=FetchedValue()),
    Column("created_by", Uuid),
    Column("version", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("deleted_at", TIMESTAMP(timezone=True)),
)

custom_fields = Table(
    "custom_fields",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("options", ARRAY(Text)),
    Column("required", Boolean, nullable=False, server_default=FetchedValue()),
    Column("position", Integer, nullable=False, server_default=FetchedValue()),
    Column("archived_at", TIMESTAMP(timezone=True)),
    Column("version", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

contact_custom_values = Table(
    "contact_custom_values",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("contact_id", Uuid, primary_key=True),
    Column("field_id", Uuid, primary_key=True),
    Column("text_value", Text),
    Column("integer_value", BigInteger),
    Column("number_value", Double),
    Column("boolean_value", Boolean),
    Column("date_value", Date),
)

consent_events = Table(
    "consent_events",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("contact_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("text_shown", Text),
    Column("ip_hash", Text),
    Column("evidence", JSONB, nullable=False, server_default=FetchedValue()),
    Column("actor_type", Text, nullable=False),
    Column("actor_id", Uuid),
    Column("occurred_at", TIMESTAMP(timezone=True), nullable=False),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

contact_consents = Table(
    "contact_consents",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("contact_id", Uuid, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("since", TIMESTAMP(timezone=True), nullable=False),
)

households = Table(
    "households",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("address_key", Text),
    Column("version", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("deleted_at", TIMESTAMP(timezone=True)),
)

household_members = Table(
    "household_members",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("household_id", Uuid, nullable=False),
    Column("contact_id", Uuid, primary_key=True),
    Column("relationship", Text),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

duplicate_suggestions = Table(
    "duplicate_suggestions",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("contact_id", Uuid, nullable=False),
    Column("other_id", Uuid, nullable=False),
    Column("score", Integer, nullable=False),
    Column("reasons", JSONB, nullable=False),
    Column("status", Text, nullable=False, server_default=FetchedValue()),
    Column("version", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

contact_merges = Table(
    "contact_merges",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("survivor_id", Uuid, nullable=False),
    Column("merged_id", Uuid, nullable=False),
    Column("choices", JSONB, nullable=False, server_default=FetchedValue()),
    Column("before", JSONB, nullable=False),
    Column("after", JSONB, nullable=False),
    Column("moved", JSONB, nullable=False),
    Column("reason", Text),
    Column("merged_by", Uuid),
    Column("undo_until", TIMESTAMP(timezone=True), nullable=False),
    Column("undone_at", TIMESTAMP(timezone=True)),
    Column("undone_by", Uuid),
    Column("version", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

contact_match_keys = Table(
    "contact_match_keys",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("contact_id", Uuid, primary_key=True),
    Column("key", Text, primary_key=True),
)

duplicate_scans = Table(
    "duplicate_scans",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("seen_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

client_counts = Table(
    "client_counts",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("is_base", Boolean, nullable=False, server_default=FetchedValue()),
    Column("lead_clients", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("active_clients", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("inactive_clients", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("paying_clients", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("ltv_cents", BigInteger, nullable=False, server_default=FetchedValue()),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
)

contact_update_proposals = Table(
    "contact_update_proposals",
    metadata,
    Column("tenant_id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("id", Uuid, primary_key=True),
    Column("contact_id", Uuid, nullable=False),
    Column("first_name", Text),
    Column("last_name", Text),
    Column("email", Text),
    Column("phone", Text),
    Column("status", Text, nullable=False, server_default=FetchedValue()),
    Column("actor_type", Text, nullable=False),
    Column("actor_id", Uuid),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=FetchedValue()),
    Column("decided_at", TIMESTAMP(timezone=True)),
)
