"""The columns of a contact's answer, of the row `c`."""

from collections.abc import Mapping

from clientway.lifecycle.contacts.schemas import Contact
from clientway.lifecycle.reach import sql as reach

TAGS = """(select coalesce(json_agg(x.tag order by x.tag), '[]') from contact_tags x
  where x.tenant_id = app.tenant() and x.contact_id = c.id)"""
CUSTOM_FIELDS = """(select coalesce(json_object_agg(f.key, coalesce(to_json(v.text_value), to_json(v.integer_value),
    to_json(v.number_value), to_json(v.boolean_value), to_json(v.date_value)) order by f.position, f.key), '{}')
  from contact_custom_values v
  join custom_fields f on f.tenant_id = app.tenant() and f.id = v.field_id and f.archived_at is null
 where v.tenant_id = app.tenant() and v.contact_id = c.id)"""
_COMPUTED: Mapping[str, str] = {"emails": reach.EMAILS, "phones": reach.PHONES, "tags": TAGS, "custom_fields": CUSTOM_FIELDS}
COLUMNS: Mapping[str, str] = {name: _COMPUTED.get(name, f"c.{name}") for name in Contact.model_fields}


def answer_sql(source: str, *more: str, **replaced: str) -> str:
    """SQL of (JSON text, version, more …) of the contact in `source`, which is named c; `replaced` are columns it knows better."""
    columns = ", ".join(f"{sql} as {name}" for name, sql in {**COLUMNS, **replaced}.items())
    return f"select {', '.join(('row_to_json(r)::text', 'r.version', *more))} from (select {columns} from {source} c) r"
