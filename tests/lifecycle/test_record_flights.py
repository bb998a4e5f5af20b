"""How often a warm request about tickets, deals, quotes, surveys and referrals turns to the database."""

from tests.lifecycle.test_organization_flights import counting_proxy, flights  # noqa: F401  (fixtures)

KEY = iter(range(1000))


def test_every_request_keeps_to_its_budget(flights, invoke):  # noqa: F811
    path = {"organization_id": invoke("lifecycle/organizations", method="POST", body={"legal_name": "A"}).json["id"]}
    counted = {}

    def make(name, function, body, where=path):
        counted[f"create {name}"], answer = flights(
            function, method="POST", path=where, body=body, headers={"Idempotency-Key": f"k{next(KEY)}"}
        )
        return answer.json

    def change(name, one, row, body):
        headers = {"If-Match": f'"{row["version"]}"'}
        counted[f"change {name}"], answer = flights(one, method="PATCH", path={f"{one}_id": row["id"]}, body=body, headers=headers)
        return answer.json

    ticket = make("ticket", "organization_tickets", {"subject": "x"})
    change("ticket", "ticket", ticket, {"status": "resolved"})
    make("answer", "organization_nps_answers", {"score": 9})
    change("referral", "referral", make("referral", "organization_referrals", {"referred_name": "x"}), {"status": "declined"})
    deal = make("deal and stage", "organization_deals", {"name": "x"})
    second = make("second deal", "organization_deals", {"name": "y"})
    deal = change("deal", "deal", deal, {"amount_cents": 5})
    change("lost deal", "deal", second, {"status": "lost", "lost_reason": "x"})
    quote = make("quote", "deal_quotes", {"title": "x", "amount_cents": 1}, {"deal_id": deal["id"]})
    change("quote", "quote", quote, {"amount_cents": 2})
    for name in ("ticket", "deal"):
        counted[f"read {name}"], _ = flights(name, path={f"{name}_id": {"ticket": ticket, "deal": deal}[name]["id"]})
        counted[f"list {name}s"], _ = flights(f"{name}s")
        counted[f"list {name}s of one"], _ = flights(f"organization_{name}s", path=path)

    # The key of a creation is looked up in a flight of its own. What stages depend on is asked for in one, and a stage that
    # moves is another.
    budget = {"create": 4, "change": 3, "list": 2, "read": 2}
    facts = {"create deal and stage": 6, "create second deal": 5, "change lost deal": 4}
    assert {name: count for name, count in counted.items() if count > facts.get(name, budget[name.split()[0]])} == {}, counted


def test_the_list_of_sessions_asks_no_more_than_another_list(counting_proxy, invoke):  # noqa: F811
    invoke("identity/sessions")
    counting_proxy.reset(connects=False)
    assert invoke("identity/sessions").status == 200
    assert counting_proxy.flights == 2
