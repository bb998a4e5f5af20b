"""A job booked in one call for a client who may be new."""

from typing import Any
from uuid import UUID

from clientway.db import Tx
from clientway.errors import FieldError, NotFound, Unprocessable
from clientway.lifecycle.intake import service as intake
from clientway.lifecycle.intake.schemas import TakenIn
from clientway.paging import DatabaseJson
from clientway.work.jobs import service
from clientway.work.jobs.schemas import BookedClient, JobWithClientCreate

_NOT_OF_JOB = {"organization_id", "org_client_id", "client", "force_overlap", "allow_past"}


def book(tx: Tx, order: JobWithClientCreate) -> Any:
    """Person, contact, organization, address, job and reminders, all or nothing. Five flights and the commit for somebody new.

    Raises Unprocessable (422), NotFound (404) for an organization_id that is not the caller's tenant, and JobOverlaps,
    ContactMerged, ContactBlacklisted, OrganizationDeleted (409).
    """
    _check_form(order)
    service.check(tx, order.start_at, order.end_at, allow_past=order.allow_past)
    taken = _take_in(tx, order)
    # The tenant is known from the first flight on. What was written until here goes with the refusal.
    if order.organization_id not in {None, tx.tenant_id}:
        raise NotFound("There is no such provider.", errors=[FieldError("#/organization_id", "unknown_organization", "not your own")])
    service.check_live(taken.organization_id, live=taken.organization_is_live)
    given = {**order.model_dump(mode="json", exclude=_NOT_OF_JOB), "contact_id": taken.contact_id, "organization_id": taken.organization_id}
    if order.address_id is None and taken.address is None:
        given["address_id"] = taken.default_address_id
    job = service.book(tx, given, force=order.force_overlap, home=taken.address)
    client = BookedClient(
        contact_id=taken.contact_id, organization_id=taken.organization_id, is_new=taken.is_new, matched_by=taken.matched_by,
        suggested_contact_ids=list(taken.suggested),
    )  # fmt: skip
    return DatabaseJson(f'{{"success":true,"job":{job},"client":{client.model_dump_json()}}}')


def _take_in(tx: Tx, order: JobWithClientCreate) -> TakenIn:
    if order.client is not None:
        return intake.take_in(tx, order.client)
    try:
        return intake.hold(tx, UUID(str(order.org_client_id)))
    except NotFound:
        raise service.unknown("org_client_id") from None


def _check_form(order: JobWithClientCreate) -> None:
    errors = []
    if (order.org_client_id is None) == (order.client is None):
        hint = "either a client whom you have or one to find or make"
        errors = [FieldError(f"#/{name}", "one_of", hint) for name in ("org_client_id", "client")]
    elif order.client is not None and order.address_id is not None:
        errors = [FieldError("#/address_id", "one_of", "the address of a `client` belongs inside it")]
    if errors:
        raise Unprocessable("The booking breaks a rule.", errors=errors)
