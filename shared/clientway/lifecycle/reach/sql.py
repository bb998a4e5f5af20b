"""A contact's e-mails and phones as JSON, of the row `c`, also in the answer to the very statement that writes it.

The rows follow contacts.email and contacts.phone at the end of a statement (app.add_reach, app.change_reach), too late for its
own answer. So this says what they are going to be; of a contact that nobody is writing it is what they are.
"""

from clientway.lifecycle.people.rules import SHARED_FROM

_OWN = "x.tenant_id = app.tenant() and x.contact_id = c.id"
_NEW_ID = "md5(c.id::text || ':' || c.version)::uuid"

EMAILS = f"""(
select coalesce(json_agg(json_build_object('id', y.id, 'email', y.email, 'label', y.label, 'is_primary', y.is_primary,
         'verified_at', y.verified_at, 'created_at', y.created_at) order by y.is_primary desc, y.created_at, y.id), '[]')
  from (
    select x.id, x.label, x.created_at, z.is_primary, case when z.is_primary then c.email else x.email end as email,
           case when z.is_primary and x.email_norm <> c.email_norm then null else x.verified_at end as verified_at
      from (select x.*, coalesce(bool_or(x.email_norm = c.email_norm) over (), false) as known from contact_emails x where {_OWN}) x
     cross join lateral (select coalesce(x.email_norm = c.email_norm, false) or (x.is_primary and not x.known) as is_primary) z
     where not (x.is_primary and c.email_norm is null)
    union all
    select {_NEW_ID}, null, c.updated_at, true, c.email, null
     where c.email_norm is not null
       and not exists (select from contact_emails x where {_OWN} and (x.is_primary or x.email_norm = c.email_norm))) y)"""

SHARED = f"""(
select count(*) >= {SHARED_FROM - 1} from (
  select distinct n.contact_id from contact_phones n
   where n.tenant_id = app.tenant() and n.phone_e164 = {{number}} and n.live and n.contact_id <> {{contact}} limit {SHARED_FROM - 1}) n)"""

PHONES = f"""(
select coalesce(json_agg(json_build_object('id', y.id, 'phone', y.phone, 'phone_e164', y.phone_e164, 'label', y.label,
         'is_primary', y.is_primary, 'shared', {SHARED.format(number="y.phone_e164", contact="c.id")},
         'verified_at', y.verified_at, 'created_at', y.created_at)
         order by y.is_primary desc, y.created_at, y.id), '[]')
  from (
    select x.id, x.label, x.created_at, z.is_primary, case when z.is_primary then c.phone else x.phone end as phone,
           case when z.is_primary then c.phone_e164 else x.phone_e164 end as phone_e164,
           case when z.is_primary and not x.same then null else x.verified_at end as verified_at
      from (select x.*, coalesce(bool_or(x.same) over (), false) as known,
                   row_number() over (partition by x.same order by x.is_primary desc, x.created_at, x.id) as place
              from (select x.*, coalesce(coalesce(x.phone_e164, x.phone) = coalesce(c.phone_e164, c.phone), false) as same
                      from contact_phones x where {_OWN}) x) x
     cross join lateral (select (x.same and x.place = 1) or (x.is_primary and not x.known) as is_primary) z
     where not (x.is_primary and c.phone is null)
    union all
    select {_NEW_ID}, null, c.updated_at, true, c.phone, c.phone_e164, null
     where c.phone <> ''
       and not exists (select from contact_phones x where {_OWN}
                          and (x.is_primary or coalesce(x.phone_e164, x.phone) = coalesce(c.phone_e164, c.phone)))) y)"""

_ROW = "'id', x.id, 'label', x.label, 'is_primary', x.is_primary, 'verified_at', x.verified_at, 'created_at', x.created_at"
ROWS = f"""jsonb_build_object(
  'emails', (select coalesce(jsonb_agg(jsonb_build_object('key', x.email_norm, 'email', x.email, {_ROW}) order by x.created_at, x.id), '[]')
               from contact_emails x where {_OWN}),
  'phones', (select coalesce(jsonb_agg(jsonb_build_object('key', coalesce(x.phone_e164, x.phone), 'phone', x.phone,
                      'phone_e164', x.phone_e164, 'shared', {SHARED.format(number="x.phone_e164", contact="c.id")}, {_ROW})
                      order by x.created_at, x.id), '[]')
               from contact_phones x where {_OWN}))"""
"""A contact's e-mails and phones before a change (jsonb); `key` is what each is matched by."""
