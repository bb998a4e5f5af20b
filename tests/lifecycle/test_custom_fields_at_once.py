"""As many fields as a tenant may have are as many for callers at one moment, too."""

import threading
from datetime import UTC, datetime
from uuid import UUID

import pytest

from clientway import access, db, tokens
from clientway.errors import Problem
from clientway.ids import uuid7
from clientway.lifecycle.custom_fields import service
from clientway.lifecycle.custom_fields.schemas import CustomFieldCreate, CustomFieldPatch


@pytest.mark.parametrize("how", ["another", "one taken back"])
def test_the_last_place_is_given_once(invoke, tenant, monkeypatch, how):
    monkeypatch.setattr(service, "MOST", 1)
    archived = uuid7()
    if how == "one taken back":
        made = invoke("lifecycle/custom_fields", method="POST", body={"key": "former", "label": "Former", "kind": "text"}).json
        path, archived = {"field_id": made["id"]}, UUID(made["id"])
        assert invoke("lifecycle/custom_field", method="DELETE", path=path, headers={"If-Match": '"1"'}).status == 204
    calls = {
        "another": lambda tx: service.create(tx, CustomFieldCreate(key="second", label="Second", kind="text")),
        "one taken back": lambda tx: service.change(tx, archived, CustomFieldPatch(archived=False), version=2),
    }
    refused = []

    def late():
        tx = _enter(tenant)
        try:
            calls[how](tx)
        except Problem as problem:
            refused.append(problem.code)
        db.rollback(tx)

    tx = _enter(tenant)
    service.create(tx, CustomFieldCreate(key="first", label="First", kind="text"))
    other = threading.Thread(target=late)
    other.start()
    other.join(0.3)
    db.commit(tx)
    other.join()

    assert refused == ["too_many_custom_fields"]


def _enter(tenant):
    return db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS), now=datetime.now(UTC))
