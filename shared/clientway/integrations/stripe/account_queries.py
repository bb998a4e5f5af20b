"""The tenant's one row of stripe_accounts."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from clientway.db import Tx, constraint_name
from clientway.integrations.stripe.account_schemas import StripeAccount

_COLUMNS = ", ".join(StripeAccount.model_fields)
_READ = text(f"select {_COLUMNS} from stripe_accounts where tenant_id = app.tenant()")
_LOCK = text(f"select {_COLUMNS} from stripe_accounts where tenant_id = app.tenant() for no key update")
_BEGIN = text(f"""
insert into stripe_accounts as a (endpoint_id, mode, status, created_at, updated_at) values (:endpoint_id, :mode, 'pending', :now, :now)
on conflict (tenant_id) do update
   set endpoint_id = excluded.endpoint_id, mode = excluded.mode, status = 'pending', account_id = null, livemode = null, key_hint = null,
       onboarding_url = null, error = null, version = a.version + 1, updated_at = excluded.updated_at
returning {_COLUMNS}
""")
_ADD_OPEN_PAGES = text("""
update stripe_accounts set open_pages = open_pages + :pages, version = version + 1, updated_at = :now where tenant_id = app.tenant()
""")
_SAVEPOINT, _BACK = text("savepoint account"), text("rollback to savepoint account")


def read(tx: Tx) -> StripeAccount | None:
    """The account, or None when none was ever connected."""
    return _account(tx.execute(_READ).mappings().one_or_none())


def lock(tx: Tx) -> StripeAccount | None:
    """The same, locked."""
    return _account(tx.execute(_LOCK).mappings().one_or_none())


def begin(tx: Tx, endpoint_id: UUID, mode: str) -> StripeAccount:
    """Begin anew under another endpoint; what was known of an account before is gone."""
    return StripeAccount(**tx.execute(_BEGIN, {"endpoint_id": endpoint_id, "mode": mode, "now": tx.now}).mappings().one())


def update(tx: Tx, **changes: Any) -> StripeAccount:
    """Change the locked account."""
    assignments = "".join(f"{name} = :{name}, " for name in changes)
    statement = f"""update stripe_accounts set {assignments} version = version + 1, updated_at = :now
                     where tenant_id = app.tenant() returning {_COLUMNS}"""
    return StripeAccount(**tx.execute(text(statement), {**changes, "now": tx.now}).mappings().one())


def add_open_pages(tx: Tx, pages: int) -> None:
    """Count pages that are to be closed."""
    tx.later(_ADD_OPEN_PAGES, {"pages": pages, "now": tx.now})


def update_unless_taken(tx: Tx, **changes: Any) -> bool:
    """The same, unless another tenant has this account already: then nothing is changed and the transaction goes on."""
    tx.execute(_SAVEPOINT)
    try:
        update(tx, **changes)
    except DBAPIError as error:
        if constraint_name(error) != "stripe_accounts_account":
            raise
        tx.execute(_BACK)
        return False
    return True


def _account(row: Mapping[Any, Any] | None) -> StripeAccount | None:
    return StripeAccount(**row) if row is not None else None
