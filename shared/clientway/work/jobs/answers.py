"""How a job is shown: the same columns in a list and alone."""

from sqlalchemy import Select, func, literal_column, select

from clientway.work.jobs.schemas import Job
from clientway.work.tables import jobs

J = jobs.alias("j")
_EMBEDDED = {
    "contact": """(select json_build_object('id', c.id, 'first_name', c.first_name, 'last_name', c.last_name)
                     from contacts c where c.tenant_id = app.tenant() and c.id = j.contact_id)""",
    "address": """(select json_build_object('id', a.id, 'label', a.label, 'address1', a.address1, 'address2', a.address2, 'city', a.city,
                                            'state', a.state, 'postal', a.postal, 'country', a.country)
                     from contact_addresses a where a.tenant_id = app.tenant() and a.id = j.address_id)""",
    "service": """(select json_build_object('id', s.id, 'name', s.name)
                     from services s where s.tenant_id = app.tenant() and s.id = j.service_id)""",
    "assignee": """(select json_build_object('id', r.id, 'name', r.name)
                      from reps r where r.tenant_id = app.tenant() and r.id = j.assignee_id)""",
}
_COLUMNS = {name: _EMBEDDED.get(name, f"j.{name}") for name in Job.model_fields}


def listing() -> Select[tuple[object, ...]]:
    """The tenant's jobs, `J`, as answers, in no order yet."""
    columns = [literal_column(_EMBEDDED[name]).label(name) if name in _EMBEDDED else J.c[name] for name in _COLUMNS]
    return select(*columns).where(J.c.tenant_id == func.app.tenant())


def answer(source: str) -> str:
    """The select of one job's (JSON text, version) from whatever holds its row."""
    columns = ", ".join(f"{expression} as {name}" for name, expression in _COLUMNS.items())
    return f"select row_to_json(r)::text, r.version from (select {columns} from {source} j) r"
