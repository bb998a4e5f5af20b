"""Tenants are made by whoever operates the installation, never through the API: these functions take an administrator's URL.

They act as `clientway_auth`, the one role whose policies reach over tenants, so that an administrator who is no superuser
(Aurora has none) can run them as well.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from clientway import administration, normalise, tokens
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable
from clientway.ids import uuid7
from clientway.moments import time_zones

ROLES = ("admin", "editor", "viewer")
KEY_PREFIX_LENGTH = 15

# A number, a pool or number by its id or ARN, or a sender id of letters and digits.
_SENDER = re.compile(
    r"\+[1-9][0-9]{6,14}|(?:pool|phone|sender)-[A-Za-z0-9]{1,64}|[A-Za-z0-9-]{0,10}[A-Za-z][A-Za-z0-9-]{0,10}"
    r"|arn:aws[a-z-]*:sms-voice:[a-z0-9-]+:[0-9]{12}:[a-zA-Z-]+/[A-Za-z0-9/_-]{1,100}"
)
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62})")
_CURRENCY = re.compile(r"[A-Z]{3}")
_REGION = re.compile(r"[A-Z]{2}")


class SlugTaken(Conflict):
    """Another tenant has this slug."""

    code, title = "slug_taken", "Slug taken"


@dataclass(frozen=True)
class Created:
    """A new tenant and its first administrator."""

    tenant_id: UUID
    user_id: UUID


@dataclass(frozen=True)
class IssuedKey:
    """A new API key; `token` is the secret and exists nowhere else."""

    id: UUID
    token: str


def create(
    admin_connection_url: str,
    *,
    name: str,
    slug: str,
    admin_email: str,
    time_zone: str = "UTC",
    currency: str = "USD",
    phone_region: str = "US",
) -> Created:
    """Make a tenant and the membership of its first administrator, who can then sign in by e-mail.

    Raises SlugTaken (409) and Unprocessable (422) with the faulty fields.
    """
    email_norm = normalise.email(admin_email)
    _check(
        name=1 <= len(name.strip()) <= 200,  # noqa: PLR2004  as the column
        slug=_SLUG.fullmatch(slug) is not None,
        time_zone=time_zone in time_zones(),
        currency=_CURRENCY.fullmatch(currency) is not None,
        phone_region=_REGION.fullmatch(phone_region) is not None,
        admin_email=email_norm is not None,
    )
    tenant_id = uuid7()
    given = {
        "tenant": tenant_id, "name": name.strip(), "slug": slug, "time_zone": time_zone, "currency": currency, "region": phone_region,
        "user": uuid4(), "email": admin_email.strip(), "email_norm": email_norm, "membership": uuid7(),
    }  # fmt: skip
    with _administration(admin_connection_url) as connection:
        row = connection.execute(_CREATE, given).one_or_none()
        if row is None:
            raise SlugTaken(f"There is already a tenant with the slug {slug!r}.", errors=[FieldError("#/slug", "taken", "choose another")])
    return Created(tenant_id, row.user_id)


def add_member(admin_connection_url: str, *, tenant: str, email: str, role: str, sign_in_url: str) -> UUID:
    """Give somebody a role in the tenant of this slug (or change it), queue their invitation, and return the user's id.

    An operator's way back in when a tenant's administrators are gone. Raises NotFound (404) for an unknown tenant,
    Unprocessable (422) for a faulty field.
    """
    email_norm = normalise.email(email)
    _check(email=email_norm is not None, role=role in ROLES)
    mail = {"template": "invitation", "to": email_norm, "inviter": "Your operator", "role": role, "url": sign_in_url}
    given = {
        "slug": tenant, "user": uuid4(), "email": email.strip(), "email_norm": email_norm, "membership": uuid7(), "role": role,
        "mail_id": uuid7(), "mail": json.dumps(mail),
    }  # fmt: skip
    with _administration(admin_connection_url) as connection:
        user_id: UUID | None = connection.scalar(_ADD_MEMBER, given)
    if user_id is None:
        raise NotFound(f"There is no tenant {tenant!r}.")
    return user_id


def issue_api_key(
    admin_connection_url: str, *, tenant_id: UUID, name: str, role: str, created_by: UUID | None = None, expires_at: datetime | None = None
) -> IssuedKey:
    """Make an API key of a tenant. Raises NotFound (404) for an unknown tenant, Unprocessable (422) for a faulty field."""
    _check(name=1 <= len(name) <= 200, role=role in ROLES)  # noqa: PLR2004  as the column
    token = tokens.new("key")
    given = {
        "tenant": tenant_id, "id": uuid7(), "name": name, "prefix": token[:KEY_PREFIX_LENGTH], "token_hash": tokens.digest(token),
        "role": role, "created_by": created_by, "expires_at": expires_at,
    }  # fmt: skip
    with _administration(admin_connection_url) as connection:
        issued = connection.scalar(_ISSUE, given)
    if issued is None:
        raise NotFound("There is no such tenant.")
    return IssuedKey(issued, token)


def revoke_api_key(admin_connection_url: str, *, key: str) -> UUID:
    """Revoke the key with this id or this secret (whoever found a leaked one has only the secret); return its id.

    Raises NotFound (404) when no live key is meant.
    """
    try:
        key_id: UUID | None = UUID(key)
    except ValueError:
        key_id = None
    with _administration(admin_connection_url) as connection:
        revoked: UUID | None = connection.scalar(_REVOKE, {"id": key_id, "token_hash": tokens.digest(key)})
    if revoked is None:
        raise NotFound("There is no such key, or it has been revoked.")
    return revoked


def assign_sms_sender(admin_connection_url: str, *, tenant: str, sender: str | None) -> UUID:
    """Have a tenant text from this number, pool or sender id, or, with None, from the installation's again; return the tenant's id.

    The operator's to say: whoever could take another's number would text in their name and hear what their clients answer.
    Raises NotFound (404) for an unknown tenant, Unprocessable (422) for what is no sender.
    """
    _check(sender=sender is None or _SENDER.fullmatch(sender) is not None)
    with _administration(admin_connection_url) as connection:
        tenant_id: UUID | None = connection.scalar(_ASSIGN_SENDER, {"slug": tenant, "sender": sender})
    if tenant_id is None:
        raise NotFound(f"There is no tenant {tenant!r}.")
    return tenant_id


def find(admin_connection_url: str, slug: str) -> UUID:
    """The id of the tenant with this slug. Raises NotFound (404)."""
    with _administration(admin_connection_url) as connection:
        found: UUID | None = connection.scalar(text("select tenant_id from tenants where slug = :slug"), {"slug": slug})
    if found is None:
        raise NotFound(f"There is no tenant {slug!r}.")
    return found


_CREATE = text("""
with made as (
  insert into tenants (tenant_id, name, slug, time_zone, currency, phone_region)
  values (:tenant, :name, :slug, :time_zone, :currency, :region)
  on conflict (slug) do nothing returning tenant_id
), person as (
  insert into users (id, email, email_norm) select :user, :email, :email_norm from made
  on conflict (email_norm) do update set email_norm = excluded.email_norm returning id
)
insert into memberships (tenant_id, id, user_id, role)
select made.tenant_id, :membership, person.id, 'admin' from made, person returning user_id
""")
_ASSIGN_SENDER = text("""
insert into messaging_settings as s (tenant_id, sms_sender)
select t.tenant_id, :sender from tenants t where t.slug = :slug
on conflict (tenant_id) do update set sms_sender = excluded.sms_sender, version = s.version + 1, updated_at = now()
returning s.tenant_id
""")
_ADD_MEMBER = text("""
with known as (select tenant_id, name from tenants where slug = :slug
), mail as (
  insert into outbox (tenant_id, id, topic, payload)
  select tenant_id, :mail_id, 'mail', cast(:mail as jsonb) || jsonb_build_object('tenant_name', name) from known
), person as (
  insert into users (id, email, email_norm) select :user, :email, :email_norm from known
  on conflict (email_norm) do update set email_norm = excluded.email_norm returning id
)
insert into memberships (tenant_id, id, user_id, role)
select known.tenant_id, :membership, person.id, :role from known, person
on conflict (tenant_id, user_id) do update
  set role = excluded.role, revoked_at = null, version = memberships.version + 1, updated_at = now()
returning user_id
""")
_ISSUE = text("""
insert into api_keys (tenant_id, id, name, prefix, token_hash, role, created_by, expires_at)
select tenant_id, :id, :name, :prefix, :token_hash, :role, cast(:created_by as uuid), cast(:expires_at as timestamptz)
  from tenants where tenant_id = :tenant
returning id
""")
_REVOKE = text("""
update api_keys set revoked_at = now()
 where revoked_at is null and (id = cast(:id as uuid) or token_hash = :token_hash) returning id
""")


@contextmanager
def _administration(url: str) -> Iterator[Connection]:
    with administration.engine(url).begin() as connection:
        connection.execute(text("set local role clientway_auth"))
        yield connection


def _check(**valid: bool) -> None:
    errors = [FieldError(f"#/{field}", "invalid", "not valid") for field, is_valid in valid.items() if not is_valid]
    if errors:
        named = ", ".join(error.pointer.removeprefix("#/") for error in errors)
        raise Unprocessable(f"Not valid: {named}.", errors=errors)
