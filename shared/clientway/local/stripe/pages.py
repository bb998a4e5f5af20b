"""What people see of the stand-in: the page to pay on, the receipt, and a dashboard to refund and dispute."""

from html import escape
from typing import Any
from urllib.parse import parse_qs

from clientway.currencies import written
from clientway.local.stripe import shapes
from clientway.local.stripe.books import CARDS, Books
from clientway.local.stripe.forms import Refusal
from clientway.local.stripe.store import new_id

Json = dict[str, Any]

_STYLE = """
:root{color-scheme:light dark}*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,sans-serif;background:#f5f6f8;color:#1a1f36}
main{max-width:27rem;margin:6vh auto;background:#fff;border-radius:14px;padding:2rem;box-shadow:0 12px 40px #1a1f3620}
main.wide{max-width:64rem}h1{font-size:1.05rem;margin:0;color:#5b6478;font-weight:600}h2{font-size:1rem;margin:1.6rem 0 .5rem}
.sum{font-size:2.2rem;font-weight:700;margin:.2rem 0}p{margin:.4rem 0}small,.dim{color:#5b6478}
label{display:block;margin:.9rem 0 .25rem;font-weight:600;font-size:.9rem}
input,select{width:100%;padding:.6rem .7rem;border:1px solid #cfd5e1;border-radius:8px;font:inherit;background:inherit;color:inherit}
button{padding:.7rem 1rem;border:0;border-radius:8px;background:#5469d4;color:#fff;font:inherit;font-weight:600;cursor:pointer}
main>form>button{width:100%;margin-top:1.4rem}.bad{background:#fde8e8;color:#9b1c1c;border-radius:8px;padding:.6rem .8rem}
.note{font-size:.8rem;color:#5b6478;margin-top:1.4rem;text-align:center}
table{border-collapse:collapse;width:100%;font-size:.88rem}td,th{text-align:left;padding:.4rem .5rem;border-bottom:1px solid #e4e8f0}
td form{display:inline-block;white-space:nowrap}
td button{padding:.25rem .6rem;font-size:.82rem}td input{width:6rem;padding:.2rem .4rem}code{font-size:.85em}
@media(max-width:30rem){main{margin:0;min-height:100vh;border-radius:0;padding:1.6rem 1.2rem}table{display:block;overflow-x:auto}}
@media(prefers-color-scheme:dark){body{background:#12151f;color:#e6e9f2}main{background:#1c2130}h1,small,.dim,.note{color:#9aa4ba}td,th{border-color:#2c3346}}
"""
_NOTE = '<p class="note">A stand-in for Stripe on this machine. No money moves.</p>'


class Pages:
    """Answers browsers: a status and a page, or where to go next."""

    def __init__(self, books: Books) -> None:
        """Show these books."""
        self.books = books

    def get(self, path: str, query: str) -> tuple[int, str]:
        """A page."""
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        match path.strip("/").split("/"):
            case ["pay", token]:
                return self._pay(token, asked.get("prefilled_email", ""))
            case ["receipt", charge_id]:
                return self._receipt(charge_id)
            case ["onboard", account_id]:
                return self._onboard(account_id, asked.get("return_url", ""))
            case ["dashboard"] | [""]:
                return self._dashboard()
            case _:
                return _nothing()

    def post(self, path: str, form: str) -> tuple[int, str]:
        """What a form does; a status of 303 comes with an address in place of a page."""
        given = {name: values[0] for name, values in parse_qs(form).items()}
        match path.strip("/").split("/"):
            case ["pay", token]:
                return self._paid(token, given)
            case ["onboard", account_id]:
                return self._onboarded(account_id, given)
            case ["dashboard", what]:
                return self._done(what, given)
            case _:
                return _nothing()

    # ---- Paying

    def _link(self, token: str) -> tuple[str, Json] | None:
        return next(((account, link) for account, link in self.books.store.every("payment_link") if link["id"] == f"plink_{token}"), None)

    def _pay(self, token: str, email: str) -> tuple[int, str]:
        found = self._link(token)
        if found is None:
            return _nothing()
        account, link = found
        amount = sum(one["amount_total"] for one in self._lines(account, link))
        made = shapes.session(new_id("cs_test", 58), link, amount, self.books.store.now, link["url"])
        try:
            self.books.refuse_closed(link, made)
        except Refusal as refusal:
            return 200, _closed(str(refusal))
        return 200, self._form(account, link, self.books.store.put(account, made), email)

    def _lines(self, account: str, link: Json) -> list[Json]:
        return list(self.books.find(account, "lines", f"lines_{link['id']}")["data"])

    def _form(self, account: str, link: Json, session: Json, email: str, failure: str = "") -> str:
        merchant = self.books.find(account, "account", account)["business_profile"]["name"]
        lines = self._lines(account, link)
        names = [self.books.find(account, "product", one["price"]["product"])["name"] for one in lines]
        cards = "".join(f'<option value="{number}">{_spaced(number)} – {escape(card["title"])}</option>' for number, card in CARDS.items())
        bad = f'<p class="bad" role="alert">{escape(failure)}</p>' if failure else ""
        shown = money(session["amount_total"], session["currency"])
        return _page(
            f"Pay {merchant}",
            f"""<main><h1>{escape(merchant)}</h1><p class="sum">{escape(shown)}</p><p class="dim">{escape(", ".join(names))}</p>{bad}
<form method="post">{_hidden("session", session["id"])}
<label for="email">Email</label><input id="email" name="email" type="email" autocomplete="email" required value="{escape(email)}">
<label for="card">Test card</label><select id="card" name="card">{cards}</select>
<label for="name">Name on card</label><input id="name" name="name" autocomplete="cc-name" required value="Test Payer">
<button>Pay {escape(shown)}</button></form>{_NOTE}</main>""",
        )

    def _paid(self, token: str, given: dict[str, str]) -> tuple[int, str]:
        found = self._link(token)
        session = self.books.store.get(found[0], given.get("session", ""), "checkout.session") if found else None
        if found is None or session is None:
            return _nothing()
        account, link = found
        email = given.get("email", "")
        try:
            charge = self.books.pay_link(account, session, given.get("card", ""), email=email, name=given.get("name", ""))
        except Refusal as refusal:
            return 200, _closed(str(refusal))
        if not charge["paid"]:
            return 200, self._form(account, link, session, email, charge["failure_message"])
        return 303, f"/receipt/{charge['id']}"

    def _receipt(self, charge_id: str) -> tuple[int, str]:
        found = next(((account, one) for account, one in self.books.store.every("charge") if one["id"] == charge_id), None)
        if found is None:
            return _nothing()
        account, charge = found
        merchant = self.books.find(account, "account", account)["business_profile"]["name"]
        card = charge["payment_method_details"]["card"]
        given_back = charge["amount_refunded"]
        refunded = f"<p>Refunded: {escape(money(given_back, charge['currency']))}</p>" if given_back else ""
        return 200, _page(
            f"Receipt from {merchant}",
            f"""<main><h1>Receipt from {escape(merchant)}</h1><p class="sum">{escape(money(charge["amount"], charge["currency"]))}</p>
<p>{"Thank you, your payment went through." if charge["paid"] else "This payment failed."}</p>
<p class="dim">{escape(charge["description"] or "")}</p>{refunded}
<p><small>{escape(card["brand"].title())} ending in {escape(card["last4"])} · {escape(charge_id)}</small></p>{_NOTE}</main>""",
        )

    # ---- Accounts

    def _onboard(self, account_id: str, return_url: str) -> tuple[int, str]:
        account = self.books.store.get(account_id, account_id, "account")
        if account is None:
            return _nothing()
        return 200, _page(
            "Set up payments",
            f"""<main><h1>Set up payments</h1><p>{escape(account["business_profile"]["name"])} <code>{escape(account_id)}</code></p>
<p class="dim">Stripe would ask for the business, its owner and its bank account here.</p>
<form method="post">{_hidden("return_url", return_url)}<button>Fill in everything</button></form>{_NOTE}</main>""",
        )

    def _onboarded(self, account_id: str, given: dict[str, str]) -> tuple[int, str]:
        account = self.books.store.get(account_id, account_id, "account")
        if account is None:
            return _nothing()
        self.enable(account_id)
        target = given.get("return_url", "")
        return 303, target if target.startswith(("https://", "http://127.0.0.1", "http://localhost")) else "/dashboard"

    def enable(self, account_id: str) -> Json:
        """The owner has answered everything: the account takes payments."""
        before = self.books.find(account_id, "account", account_id)
        profile = before["business_profile"]
        made = shapes.account(account_id, profile["name"], before["email"], before["created"], enabled=True, metadata=before["metadata"])
        self.books.store.put(account_id, made)
        self.books.emit(account_id, "account.updated", made, {"charges_enabled": False})
        return made

    # ---- The dashboard

    def _dashboard(self) -> tuple[int, str]:
        store = self.books.store
        keys = dict(store.account_keys())
        accounts = "".join(
            f"<tr><td>{escape(one['business_profile']['name'])}</td><td><code>{escape(account)}</code></td>"
            f"<td><code>{escape(keys.get(account, 'that of its platform'))}</code></td></tr>"
            for account, one in store.every("account")
        )
        payments = "".join(self._payment(account, one) for account, one in store.every("charge")[:100])
        disputes = "".join(_dispute(account, one) for account, one in store.every("dispute")[:100])
        return 200, _page(
            "Payments",
            f"""<main class="wide"><h1>Payments</h1><p class="dim">{store.waiting()} events are waiting to be delivered.</p>
<table><tr><th>Amount</th><th>For</th><th>Status</th><th>Payment</th><th></th></tr>{payments}</table>
<h2>Disputes</h2><table>{disputes or "<tr><td>None.</td></tr>"}</table>
<h2>Accounts</h2><table><tr><th>Name</th><th>Account</th><th>Key</th></tr>{accounts}</table>
<form method="post" action="/dashboard/account"><label for="new">Add an account named</label><input id="new" name="name" required>
<button>Add it</button></form>{_NOTE}</main>""",
        )

    def _payment(self, account: str, charge: Json) -> str:
        hidden = (
            f'<input type="hidden" name="account" value="{escape(account)}"><input type="hidden" name="id" value="{escape(charge["id"])}">'
        )
        left = charge["amount_captured"] - charge["amount_refunded"]
        actions = ""
        if charge["paid"] and left and not charge["disputed"]:
            cents = f'<input name="amount" inputmode="numeric" value="{left}" aria-label="cents">'
            actions = f'<form method="post" action="/dashboard/refund">{hidden}{cents} <button>Refund</button></form> '
            actions += f'<form method="post" action="/dashboard/dispute">{hidden}<button>Dispute</button></form>'
        given_back = f", {money(charge['amount_refunded'], charge['currency'])} refunded" if charge["amount_refunded"] else ""
        status = f"{charge['status']}{given_back}{', disputed' if charge['disputed'] else ''}"
        shown = escape(money(charge["amount"], charge["currency"]))
        receipt = f'<a href="/receipt/{escape(charge["id"])}"><code>{escape(charge["payment_intent"] or "")}</code></a>'
        cells = (shown, escape(charge["description"] or ""), escape(status), receipt, actions)
        return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"

    def _done(self, what: str, given: dict[str, str]) -> tuple[int, str]:
        account, object_id = given.get("account", ""), given.get("id", "")
        try:
            match what:
                case "account":
                    made = self.books.add_account(given.get("name", "Another business"))
                    self.books.store.add_key(new_id("rk_test", 32), made["id"])
                case "refund":
                    amount = given.get("amount", "").strip()
                    charge = self.books.find(account, "charge", object_id)
                    self.books.refund(account, charge, int(amount) if amount.isdigit() else None, reason="requested_by_customer")
                case "dispute":
                    self.books.open_dispute(account, self.books.find(account, "charge", object_id))
                case "won" | "lost":
                    self.books.close_dispute(account, self.books.find(account, "dispute", object_id), what)
                case _:
                    return _nothing()
        except Refusal as refusal:
            return 200, _closed(str(refusal))
        return 303, "/dashboard"


def money(amount: int, currency: str) -> str:
    """An amount for people."""
    return f"{written(amount, currency.upper(), thousands=',')} {currency.upper()}"


def _dispute(account: str, one: Json) -> str:
    hidden = _hidden("account", account) + _hidden("id", one["id"])
    actions = "".join(
        f'<form method="post" action="/dashboard/{outcome}">{hidden}<button>{outcome.title()}</button></form> '
        for outcome in ("won", "lost")
        if one["status"] not in {"won", "lost"}
    )
    shown = escape(money(one["amount"], one["currency"]))
    return f"<tr><td>{shown}</td><td>{escape(one['reason'])}</td><td>{escape(one['status'])}</td><td>{actions}</td></tr>"


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{name}" value="{escape(value)}">'


def _spaced(number: str) -> str:
    return " ".join(number[place : place + 4] for place in range(0, len(number), 4))


def _closed(message: str) -> str:
    return _page("Not possible", f"<main><h1>Not possible</h1><p>{escape(message)}</p>{_NOTE}</main>")


def _nothing() -> tuple[int, str]:
    return 404, _page("Not found", f"<main><h1>There is nothing here</h1>{_NOTE}</main>")


def _page(title: str, body: str) -> str:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'
