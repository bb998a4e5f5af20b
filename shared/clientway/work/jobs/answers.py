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
                     from {addresses} where a.tenant_id = app.tenant() and a.id = j.address_id)""",
    "service": """(select json_build_object('id', s.id, 'name', s.name)
                     from services s where s.tenant_id = app.tenant() and s.id = j.service_id)""",
    "assignee": """(select json_build_object('id', r.id, 'name', r.name)
                      from reps r where r.tenant_id = app.tenant() and r.id = j.assignee_id)""",
}
_ADDRESSES = "contact_addresses a"
# An address that the same statement adds is not in the table yet.
_WITH_HOME = """(select x.* from contact_addresses x where x.tenant_id = app.tenant() and x.id = j.address_id
                                union all select h.* from home h) a"""


def _columns(addresses: str = _ADDRESSES) -> dict[str, str]:
    shown = {name: expression.replace("{addresses}", addresses) for name, expression in _EMBEDDED.items()}
    return {name: shown.get(name, f"j.{name}") for name in Job.model_fields}


def listing() -> Select[tuple[object, ...]]:
    """The tenant's jobs, `J`, as answers, in no order yet."""
    shown = _columns()
    columns = [literal_column(shown[name]).label(name) if name in _EMBEDDED else J.c[name] for name in shown]
    return select(*columns).where(J.c.tenant_id == func.app.tenant())


def answer(source: str, *, with_home: bool = False) -> str:
    """The select of one job's (JSON text, version) from whatever holds its row; `home` may hold an address that is new."""
    shown = _columns(_WITH_HOME) if with_home else _columns()
    columns = ", ".join(f"{expression} as {name}" for name, expression in shown.items())
    return f"select row_to_json(r)::text, r.version from (select {columns} from {source} j) r"
