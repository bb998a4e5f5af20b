"""What neither a route's path nor its schema says of how to feed it: whose rows its names mean, its bodies, its answers."""

from typing import Any

# Path parameters whose name does not say the table: route prefix or parameter -> table whose slug or id it is.
PARAMETERS = {
    "/api/rep/{slug}": "reps",
    "/api/portal/{slug}": "contacts",
    "proposal_id": "contact_update_proposals",
    "endpoint": "endpoint",
    "email_id": "contact_emails",
    "phone_id": "contact_phones",
    "note_id": "contact_notes",
    "field_id": "custom_fields",
    "token": "contacts",
}
# Fields and filters that name a row by another word than its table's.
NAMES = {
    "person_id": "contacts",
    "mapping_id": "import_mappings",
    "rep": "reps",
    "owner": "reps",
    "referred_organization_id": "second",
    "merge_id": "contact_merges",
    "merged_id": "second_contact",
    "suggestion_id": "duplicate_suggestions",
    "address_id": "contact_addresses",
    "default_address_id": "contact_addresses",
    "assignee_id": "reps",
    "org_client_id": "contacts",
    "series_id": "job_series",
    "template_id": "message_templates",
}
# Fields that end in _id and are not ours: another system's ids.
EXTERNAL = {"source_id", "hubspot_company_id", "hubspot_contact_id", "stripe_customer_id", "square_customer_id", "pos_account_id"}
# Bodies that a schema alone does not give: `:table` stands for the id of our row, `:tenant` for our slug, `:staff` for our address.
BODIES: dict[str, Any] = {
    "POST /api/create-job-with-client": {"org_client_id": ":contacts", "start_at": "2030-01-07T10:00:00Z"},
    "POST /api/job-series": {"contact_id": ":contacts", "rrule": "FREQ=WEEKLY", "starts_local": "2030-01-07T10:00:00"},
    "POST /api/recurring-invoices": {
        "contact_id": ":contacts",
        "name": "Care plan",
        "rrule": "FREQ=MONTHLY",
        "starts_on": "2030-01-01",
        "lines": [{"description": "Care", "unit_price_cents": 100}],
    },
    "POST /api/segments": {"name": "sample", "kind": "manual", "contact_ids": [":contacts"]},
    "POST /api/segments/preview": {"segment_id": ":segments"},
    "POST /api/campaigns": {"name": "Spring", "channel": "email", "segment_id": ":segments", "template_id": ":message_templates"},
    "POST /api/campaigns/{campaign_id}/launch": {"dry_run_hash": "0" * 64},
    "POST /api/campaigns/{campaign_id}/test": {"to": [":staff"]},
    "POST /api/contacts/{contact_id}/merge-preview": {"merged_id": ":second_contact"},
    "POST /api/contacts/{contact_id}/merge": {"merged_id": ":second_contact"},
    "POST /api/imports": {"source": "list", "rows": [{"name": "Blue Bistro"}]},
    "POST /api/organizations/{organization_id}/payments": {"amount_cents": 100},
    "POST /api/payments": {"amount_cents": 100, "contact_id": ":contacts"},
    "POST /api/invoices": {"contact_id": ":contacts", "lines": [{"description": "x", "unit_price_cents": 1}]},
    "PATCH /api/invoices/{invoice_id}": {"lines": [{"description": "x", "unit_price_cents": 1}]},
    "POST /api/import-mappings": {"name": "ours", "mapping": {"nick": "organization.dba_name"}},
    "PATCH /api/imports/{import_id}": {"mapping": {}},
    "POST /api/organizations/{organization_id}/contacts": {"first_name": "Ana"},
    "POST /api/clients": {"first_name": "Ana"},
    "POST /api/upsert-person": {"email": "ana@bistro.example"},
    "POST /api/email-messages": {"contact_id": ":contacts", "template": "assessment_results"},
    "POST /api/message-templates": {"key": "spring", "channel": "email", "name": "Spring", "subject": "x", "body_text": "x"},
    "POST /api/message-templates/preview": {"template_id": ":message_templates"},
    "POST /api/contacts/{contact_id}/phones": {"phone": "305 555 0199"},
    "POST /api/integrations/stripe/key": {"ticket": "no.ticket", "restricted_key": "rk_test_sampleSample"},
    "POST /api/person/sign-up": {"email": "ana@bistro.example"},
    "POST /api/person/verify": {"code": "123456"},
    "POST /api/propagate-contact-update": {"person_id": ":contacts", "first_name": "Ann"},
    "POST /api/portal/{slug}/sign-in": {"tenant": ":tenant", "email": "ana@bistro.example"},
    "POST /api/portal/{slug}/sign-in/verify": {"code": "123456"},
    "POST /api/sign-in/email/verify": {"code": "123456"},
}
# What a right request answers when it is neither a 2xx nor a 409 (the row was found, its state does not allow it).
ANSWERS = {
    # Its organization_id is the caller's own tenant, never one of its organizations.
    "POST /api/create-job-with-client": {404},
    "POST /api/person/verify": {401},
    # Its ticket is nobody's.
    "POST /api/integrations/stripe/key": {401},
    # Nobody has signed it.
    "POST /api/webhooks/stripe/{endpoint}": {400},
    "POST /api/portal/{slug}/sign-in/verify": {401},
    "POST /api/sign-in/email/verify": {401},
    "POST /api/sign-in/oidc": {401, 403, 404},
}
