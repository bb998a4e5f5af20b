"""Segments: a definition compiled by us against the same question written by hand, over 100,000 contacts of one tenant."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from statistics import median
from typing import Any

from sqlalchemy import text

from benchmarks.measure import Row, in_turn, milliseconds, timed
from benchmarks.stage import Stage
from clientway import access, db, tokens
from clientway.messaging.segments import service
from clientway.messaging.segments.schemas import SegmentPreviewRequest
from tests.fixtures import Tenant

CONTACTS = 100_000
ROUNDS = 10
MOST_SECONDS = 2

SEED = """
insert into organizations (tenant_id, id, legal_name, slug, lifecycle_stage, industry, name_norm, search_text)
select :t, md5(:s || 'o' || n)::uuid, 'Place ' || n, 'o-' || n, (array['lead', 'client'])[1 + mod(n, 2)], 'restaurant', '', ''
  from generate_series(1, :rows / 10) n;

insert into contacts (tenant_id, id, organization_id, first_name, last_name, email, email_norm, slug, name_norm, search_text, status,
                      created_at)
select :t, md5(:s || n)::uuid, md5(:s || 'o' || (1 + mod(n, :rows / 10)))::uuid, 'Ann', 'Miller ' || n, n || '@x.example',
       n || '@x.example', 'c-' || n, '', '', (array['lead', 'active', 'active', 'inactive'])[1 + mod(n, 4)], now() - n * interval '1 minute'
  from generate_series(1, :rows) n;

insert into contact_tags (tenant_id, contact_id, tag)
select :t, md5(:s || n)::uuid, tag from generate_series(1, :rows) n, unnest(array['tag-' || mod(n, 50), 'area-' || mod(n, 7)]) tag;

insert into custom_fields (tenant_id, id, key, label, kind) values (:t, md5(:s || 'f')::uuid, 'size', 'Size', 'text');

insert into contact_custom_values (tenant_id, contact_id, field_id, text_value)
select :t, md5(:s || n)::uuid, md5(:s || 'f')::uuid, 'size ' || mod(n, 100) from generate_series(1, :rows) n;

insert into activities (tenant_id, id, contact_id, activity_type, title, performed_by_type, occurred_at)
select :t, gen_random_uuid(), md5(:s || (1 + mod(n, :rows)))::uuid,
       (array['email_sent', 'email_opened', 'note_added', 'job_completed'])[1 + mod(n / 3, 4)], 'x', 'job',
       now() - mod(n * 79, 397) * interval '1 day'
  from generate_series(1, 4 * :rows) n;

insert into jobs (tenant_id, id, organization_id, contact_id, title, status, start_at, end_at, time_zone, currency, completed_at)
select :t, gen_random_uuid(), md5(:s || 'o' || 1)::uuid, md5(:s || n)::uuid, 'x', 'completed', at, at + interval '1 hour', 'UTC', 'USD', at
  from (select n, now() - mod(n, 400) * interval '1 day' as at from generate_series(1, :rows) n) drawn
"""

ACTIVE = {"field": "status", "op": "eq", "value": "active"}
NOT_MAILED = {"event": "email_sent", "within_days": 30, "count": {"op": "eq", "n": 0}}
DEFINITIONS: dict[str, dict[str, Any]] = {
    "active, tagged, not e-mailed lately": {"all": [ACTIVE, {"field": "tags", "op": "has", "value": "tag-7"}, NOT_MAILED]},
    "active, not e-mailed lately": {"all": [ACTIVE, NOT_MAILED]},
    "of clients, by a field of their own or by a tag": {
        "all": [
            {"field": "organization.lifecycle_stage", "op": "eq", "value": "client"},
            {
                "any": [
                    {"field": "custom.size", "op": "in", "value": ["size 1", "size 2"]},
                    {"field": "tags", "op": "has", "value": "tag-7"},
                ]
            },
        ]
    },
    "opened twice, last job long ago": {
        "all": [
            {"event": "email_opened", "within_days": 365, "count": {"op": "gte", "n": 2}},
            {"field": "jobs.last_completed_at", "op": "older_than_days", "value": 90},
        ]
    },
}
# As somebody would who knows the tables, for who is active, tagged and was not e-mailed lately.
BY_HAND = """
select count(*) from contacts c
 where c.tenant_id = app.tenant() and c.deleted_at is null and c.status = 'active'
   and exists (select from contact_tags t where t.tenant_id = app.tenant() and t.contact_id = c.id and t.tag = 'tag-7')
   and not exists (select from activities a where a.tenant_id = app.tenant() and a.contact_id = c.id and a.activity_type = 'email_sent'
                      and a.occurred_at >= now() - interval '30 days')"""


def run(stage: Stage) -> Iterator[Row]:
    """The count by hand and compiled; then the preview of each definition."""
    tenant = stage.tenant()
    stage.seed(SEED, tenant, rows=CONTACTS)
    first = next(iter(DEFINITIONS))
    hand, ours = in_turn(
        ROUNDS, asking(tenant, lambda tx: tx.scalar(text(BY_HAND))), asking(tenant, lambda tx: count(tx, DEFINITIONS[first]))
    )
    what = f"segment out of {CONTACTS:,} contacts ({first}): compiled : written by hand"
    yield Row(what, median(ours) / median(hand), 1.5, f"{milliseconds(ours)} against {milliseconds(hand)}")
    for name, definition in DEFINITIONS.items():
        asked = SegmentPreviewRequest.model_validate({"definition": definition})
        [times] = in_turn(ROUNDS, asking(tenant, lambda tx, asked=asked: service.preview(tx, asked)))  # type: ignore[misc]
        yield Row(f"preview of a segment, {CONTACTS:,} contacts ({name})", median(times) / 1000, MOST_SECONDS, milliseconds(times), "s")


def count(tx: db.Tx, definition: dict[str, Any]) -> int:
    """How many a definition means."""
    where = service.where(tx, definition=definition)
    sql = f"select count(*) from contacts c where c.tenant_id = app.tenant() and c.deleted_at is null and ({where.sql})"
    return int(tx.scalar(text(sql), where.parameters))


def asking(tenant: Tenant, ask: Callable[[db.Tx], object]) -> Callable[[], list[float]]:
    """A question in a transaction of its own, timed."""

    def once() -> None:
        tx = db.begin(db.Credential(tokens.digest(tenant.admin), access.VIEWERS), now=datetime.now(UTC))
        ask(tx)
        db.rollback(tx)

    return lambda: timed(once)
