"""What an operator asks of an installation whose database nobody reaches from outside: tenants, people, keys, its state."""

import os
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from clientway.config import ConfigurationError, settings
from clientway.errors import FieldError, Unprocessable
from clientway.identity.tenants import service
from clientway.migrations import run
from clientway.moments import rfc3339
from clientway.schemas import Schema

Role = Literal["admin", "editor", "viewer"]


class CreateTenant(Schema):
    """Make a tenant with its first administrator."""

    command: Literal["tenant create"]
    name: str
    slug: str
    admin_email: str
    time_zone: str = "UTC"
    currency: str = "USD"
    phone_region: str = "US"


class AssignSmsSender(Schema):
    """Say which number, pool or sender id a tenant texts from; null is the installation's."""

    command: Literal["tenant sms-sender"]
    tenant: str
    sender: str | None


class InviteUser(Schema):
    """Give somebody a role at a tenant, or change it, and send them an invitation."""

    command: Literal["user invite"]
    tenant: str
    email: str
    role: Role = "viewer"


class CreateApiKey(Schema):
    """Make an API key; the answer holds its secret, which is kept nowhere else."""

    command: Literal["api-key create"]
    tenant: str
    name: str
    role: Role = "viewer"
    days: Annotated[int | None, Field(ge=1)] = None


class RevokeApiKey(Schema):
    """Revoke an API key by its id, or by the secret itself of a leaked one."""

    command: Literal["api-key revoke"]
    key: str


class Status(Schema):
    """Say which revision the database is at, and which one this package brings it to."""

    command: Literal["status"]


Command = Annotated[CreateTenant | AssignSmsSender | InviteUser | CreateApiKey | RevokeApiKey | Status, Field(discriminator="command")]
_COMMAND: TypeAdapter[Command] = TypeAdapter(Command)


def admin_url() -> str:
    """The administrator's URL. Raises ConfigurationError."""
    url = os.environ.get("ADMIN_DATABASE_URL")
    if not url:
        raise ConfigurationError("ADMIN_DATABASE_URL is not set")
    return url


def parse(event: Any) -> Command:
    """Read a command. Raises Unprocessable (422) with the faulty fields."""
    try:
        return _COMMAND.validate_python(event)
    except ValidationError as error:
        faults = [
            FieldError("#/" + "/".join(map(str, fault["loc"][1:] or ("command",))), fault["type"], fault["msg"]) for fault in error.errors()
        ]
        raise Unprocessable("Not a command.", errors=faults) from None


def perform(command: Command) -> dict[str, Any]:
    """Do it and say what came of it. Raises Unprocessable, NotFound and SlugTaken."""
    url, sign_in_url = admin_url(), f"{settings().public_url}/sign-in"
    match command:
        case CreateTenant():
            made = service.create(url, **command.model_dump(exclude={"command"}))
            return {"tenant_id": str(made.tenant_id), "user_id": str(made.user_id), "sign_in_url": sign_in_url}
        case AssignSmsSender(tenant=tenant, sender=sender):
            return {"tenant_id": str(service.assign_sms_sender(url, tenant=tenant, sender=sender)), "sms_sender": sender}
        case InviteUser(tenant=tenant, email=email, role=role):
            user_id = service.add_member(url, tenant=tenant, email=email, role=role, sign_in_url=sign_in_url)
            return {"user_id": str(user_id), "sign_in_url": sign_in_url}
        case CreateApiKey(tenant=tenant, name=name, role=role, days=days):
            expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
            key = service.issue_api_key(url, tenant_id=service.find(url, tenant), name=name, role=role, expires_at=expires_at)
            return {"id": str(key.id), "token": key.token, "expires_at": expires_at and rfc3339(expires_at)}
        case RevokeApiKey(key=secret):
            return {"revoked": str(service.revoke_api_key(url, key=secret))}
        case Status():
            return {"revision": run.revision(url), "newest": run.newest()}
