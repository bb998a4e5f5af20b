"""What the tests of people's own accounts share."""

from dataclasses import dataclass
from typing import Any

NONCE = "__Host-clientway-person-nonce"


def cookie(answer, name):
    """The value that an answer sets for a cookie."""
    line = next(line for line in answer.cookies if line.startswith(f"{name}="))
    return line.partition(";")[0].removeprefix(f"{name}=")


@dataclass(frozen=True)
class Persons:
    """People who sign up, and tenants who hold them."""

    invoke: Any
    sql: Any

    def ask(self, email, nonce=None):
        """Ask for a mail as one browser; returns its nonce, and the mail's token and code."""
        # All tests come from one address; what it may ask for in an hour is looked at by itself.
        self.sql("update identity.person_links set source_hash = id::text")
        cookies = [f"{NONCE}={nonce}"] if nonce else []
        answer = self.invoke("identity/person_sign_up", body={"email": email}, token=None, cookies=cookies)
        assert answer.status == 202
        [mail] = self.mails(email)[-1:] or [{"url": "", "code": "000000"}]
        return cookie(answer, NONCE), mail["url"].rpartition("token=")[2], mail["code"]

    def mails(self, email):
        """The mails that are queued for an address, newest last."""
        rows = self.sql("select payload from platform_outbox where payload ->> 'to' = :e order by created_at, id", e=email.lower())
        return [row["payload"] for row in rows]

    def verify(self, nonce, **body):
        cookies = [f"{NONCE}={nonce}"] if nonce else []
        return self.invoke("identity/person_verify", body=body, token=None, cookies=cookies)

    def signed_up(self, email):
        """A session's token."""
        nonce, token, _ = self.ask(email)
        answer = self.verify(nonce, token=token)
        assert answer.status == 200, answer.body
        return answer.json["token"]

    def contact(self, owner, **details):
        """A contact of a tenant, made through its API."""
        organization = self.invoke("lifecycle/organizations", method="POST", body={"legal_name": "Blue Bistro"}, token=owner.admin)
        path = {"organization_id": organization.json["id"]}
        body = {"first_name": "Ann", "last_name": "Miller", **details}
        answer = self.invoke("lifecycle/organization_contacts", method="POST", path=path, body=body, token=owner.admin)
        assert answer.status == 201, answer.body
        return answer.json

    def read(self, owner, contact):
        """The contact as its tenant has it now."""
        return self.invoke("lifecycle/contact", path={"contact_id": contact["id"]}, token=owner.admin).json

    def propagate(self, owner, contact, **fields):
        body = {"person_id": contact["id"], **fields}
        return self.invoke("lifecycle/propagate_contact_update", body=body, token=owner.admin)

    def proposals(self, session):
        answer = self.invoke("identity/person_proposals", token=session)
        assert answer.status == 200, answer.body
        return answer.json["data"]

    def confirm(self, session, proposal, **choice):
        return self.invoke("identity/person_proposal_confirm", path={"proposal_id": proposal["id"]}, body=choice, token=session)

    def decline(self, session, proposal):
        return self.invoke("identity/person_proposal_decline", path={"proposal_id": proposal["id"]}, token=session)
