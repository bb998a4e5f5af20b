"""Billing settings: one row for each tenant, made when it is first needed."""

from typing import Any

from sqlalchemy import text

from clientway import effects
from clientway.billing.settings.schemas import BillingSettings, BillingSettingsPatch
from clientway.db import Tx
from clientway.errors import Conflict, PreconditionFailed, check_version
from clientway.paging import one

_COLUMNS = ", ".join("s.last_number + 1 as next_number" if name == "next_number" else f"s.{name}" for name in BillingSettings.model_fields)
_ANSWER = f"select row_to_json(r)::text, r.version from (select {_COLUMNS} from {{source}} s) r"
# Before there is a row, what its columns would say.
_DEFAULTS = """(select x.* from (
  select b.invoice_prefix, b.terms_days, b.tax_rate_bps, b.tax_label, b.footer, b.last_number, b.version
    from billing_settings b where b.tenant_id = app.tenant()
  union all select 'INV-', 14, 0, 'Tax', null, 0, 1) x limit 1)"""
_READ = text(_ANSWER.format(source=_DEFAULTS))
_LOCK = text("select b.version, b.last_number from billing_settings b where b.tenant_id = app.tenant() for no key update of b")
_NUMBERED = text("select exists (select from invoices i where i.tenant_id = app.tenant() and i.number is not null)")


class NumbersGiven(Conflict):
    """409: invoices have numbers already; the next one follows the last."""

    code, title = "numbers_given", "Numbers already given"


def read(tx: Tx) -> Any:
    """How the tenant bills."""
    return one(tx.execute(_READ).one())


def change(tx: Tx, patch: BillingSettingsPatch, *, version: int) -> Any:
    """Change how the tenant bills. Raises PreconditionFailed (412), NumbersGiven (409)."""
    before = tx.execute(_LOCK).one_or_none()
    check_version(before.version if before else 1, version)
    sent = patch.model_dump(exclude_unset=True)
    changes = {"last_number" if name == "next_number" else name: value for name, value in sent.items()}
    if "next_number" in sent:
        changes["last_number"] = sent["next_number"] - 1
        # Asked once the row is locked: who held it may have been opening the first one.
        if tx.scalar(_NUMBERED):
            raise NumbersGiven("Invoices already have numbers: the next one follows the last.")
    names = "".join(f"{name}, " for name in changes)
    values = "".join(f":{name}, " for name in changes)
    assignments = "".join(f"{name} = excluded.{name}, " for name in changes)
    # Whoever made the row in the meantime, by opening an invoice too, was first.
    statement = f"""
with written as (
  insert into billing_settings as b ({names}version, created_at, updated_at) values ({values}2, :now, :now)
  on conflict (tenant_id) do update set {assignments}version = b.version + 1, updated_at = excluded.updated_at
   where b.version = :version and b.last_number = :seen returning b.*)
{_ANSWER.format(source="written")}"""
    given = {**changes, "version": version, "seen": before.last_number if before else 0, "now": tx.now}
    row = tx.execute(text(statement), given).one_or_none()
    if row is None:
        raise PreconditionFailed("This was changed since you read it.")
    effects.audit(tx, "billing_settings.updated", "billing_settings", None, sent)
    return one(row)
