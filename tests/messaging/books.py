"""A tenant with somebody whom messages were sent to, for tests of what is told of them."""

from sqlalchemy import text

from clientway.ids import uuid7
from tests.messaging.events import mail_event

ANA, PHONE, NUMBER = "ana@bistro.example", "+14155550111", "+14155550199"


class Books:
    """A tenant's client with a campaign that was sent to them, and a look at what became of it."""

    def __init__(self, engine, tenant, *, state="sent", phone=PHONE):
        self.engine, self.tenant = engine, tenant
        self.organization, self.contact, self.campaign, self.send = (uuid7() for _ in range(4))
        self.run(
            "insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text) values (:t, :o, 'Bistro', :x, 'bistro', 'bistro')"
        )
        self.run(
            """insert into contacts (tenant_id, id, organization_id, slug, first_name, name_norm, search_text, email, email_norm, phone, phone_e164)
               values (:t, :c, :o, :x, 'Ana', 'ana', 'ana', :email, :email, :phone, :phone)""", email=ANA, phone=phone,
        )  # fmt: skip
        self.run(
            "insert into campaigns (tenant_id, id, name, channel, segment, quiet_hours, status) values (:t, :k, 'Spring', 'email', '{}', false, 'sending')"
        )
        self.run(
            "insert into campaign_sends (tenant_id, id, campaign_id, contact_id, channel, chunk, state) values (:t, :s, :k, :c, 'email', 0, :state)",
            state=state,
        )

    def run(self, statement, **given):
        known = {
            "t": self.tenant.id,
            "o": self.organization,
            "c": self.contact,
            "k": self.campaign,
            "s": self.send,
            "x": f"x-{self.contact}",
        }
        with self.engine.connect() as connection:
            result = connection.execute(
                text(statement), {name: value for name, value in {**known, **given}.items() if f":{name}" in statement}
            )
            return result.all() if result.returns_rows else None

    def value(self, expression, table, where="true"):
        ((found,),) = self.run(f"select {expression} from {table} where tenant_id = :t and {where}")
        return found

    def told(self, kind, **more):
        return mail_event(kind, tenant_id=self.tenant.id, subject="campaign_send", subject_id=self.send, address=ANA, **more)

    def sends(self, *columns):
        return tuple(self.run(f"select {', '.join(columns)} from campaign_sends where tenant_id = :t and id = :s")[0])
