"""How often a warm request about people turns to the database."""

from tests.lifecycle.test_organization_flights import counting_proxy, flights  # noqa: F401  (fixtures)


def test_every_request_keeps_to_its_budget(flights, invoke):  # noqa: F811
    counted = {}

    def ask(name, function, row=None, **how):
        if row is not None:
            how["headers"] = {"If-Match": f'"{row["version"]}"'}
        counted[name], answer = flights(function, **how)
        assert answer.status < 300, (name, answer.body)
        return answer.json if answer.body else None

    invoke("lifecycle/upsert_person", body={"phone": "+13055550100"})
    person = {"email": "ann@example.com", "phone": "305 555 0101", "first_name": "Ann"}
    ask("upsert: new", "upsert_person", method="POST", body=person)
    ask("upsert: known", "upsert_person", method="POST", body=person)
    ask("upsert: another phone", "upsert_person", method="POST", body=person | {"phone": "305 555 0102"})
    ask("upsert: a suggestion", "upsert_person", method="POST", body={"phone": "305 555 0102", "first_name": "Bo"})
    ask("upsert: with a key", "upsert_person", method="POST", body={"email": "cy@example.com"}, headers={"Idempotency-Key": "k"})
    blank = ask("upsert: blank", "upsert_person", method="POST", body={"email": "di@example.com"})
    ask("upsert: filled in", "upsert_person", method="POST", body={"email": "di@example.com", "phone": "305 555 0103", "first_name": "Di"})

    field = ask("create field", "custom_fields", method="POST", body={"key": "size", "label": "Size", "kind": "integer"})
    ask("change field", "custom_field", field, method="PATCH", path={"field_id": field["id"]}, body={"label": "Length"})
    client = ask("create client", "clients", method="POST", body={"first_name": "El", "tags": ["x"], "custom_fields": {"size": 3}})
    path = {"contact_id": client["id"]}
    client = ask("change client", "contact", client, method="PATCH", path=path, body={"custom_fields": {"size": 4}, "tags": []})
    ask("read client", "contact", path=path)
    ask("list clients", "clients", query={"status": "lead"})
    ask("list clients by fields", "clients", query={"custom": "size>=3"})

    email = ask("create primary email", "contact_emails", method="POST", path=path, body={"email": "el@example.com"})
    other = ask("create email", "contact_emails", method="POST", path=path, body={"email": "el2@example.com"})
    one = path | {"email_id": other["id"]}
    ask("change email", "contact_email", {"version": 4}, method="PATCH", path=one, body={"is_primary": True, "label": "home"})
    ask("remove email", "contact_email", {"version": 5}, method="DELETE", path=one)
    phone = ask("create phone", "contact_phones", method="POST", path=path, body={"phone": "305 555 0104"})
    assert [email["is_primary"], phone["is_primary"], blank["suggested_contact_ids"]] == [True, True, []]
    for name, single, body in (("addresses", "address", {"address1": "1 Main St"}), ("notes", "note", {"body": "x"})):
        row = ask(f"create {single}", f"contact_{name}", method="POST", path=path, body=body)
        row = ask(f"change {single}", f"contact_{single}", row, method="PATCH", path={f"{single}_id": row["id"]}, body=body)
        ask(f"list {name}", f"contact_{name}", path=path)
        ask(f"read {single}", f"contact_{single}", path={f"{single}_id": row["id"]})
        ask(f"delete {single}", f"contact_{single}", row, method="DELETE", path={f"{single}_id": row["id"]})
    consent = {"channel": "email", "purpose": "marketing", "state": "denied", "source": "form"}
    ask("create consent", "contact_consents", method="POST", path=path, body=consent)
    ask("list consents", "contact_consents", path=path, query={"current": "true"})

    # A phone without a country code asks for the tenant's region first; what was blank is written with the contact's lock; a
    # primary e-mail or phone that changes may move a stage, and its row is one more.
    budget = {"upsert": 5, "create": 4, "change": 4, "remove": 5, "delete": 3, "list": 2, "read": 2}
    more = {"upsert: known": 3, "upsert: new": 4, "upsert: filled in": 5, "list clients by fields": 3}
    assert {name: count for name, count in counted.items() if count > more.get(name, budget[name.split()[0].strip(":")])} == {}, counted
