"""Which column of the old tables is what: the names that seed 0 gives, and those that tables of their kind go by.

The first of a target's columns that says something is taken. `lead.status`, `hubspot.stage` and `plan.…` are read for
what follows from them.
"""

from collections.abc import Mapping
from typing import Final

from clientway.integrations.legacy.reading import Kind


def _columns(given: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {target: tuple(names.split()) for target, names in given.items()}


_PLACE: Final = {
    "location.address_line1": "address_line1 address street street_address address1",
    "location.city": "city town",
    "location.state": "state state_code province region",
    "location.zip": "zip zip_code zipcode postal_code",
    "location.country": "country country_code",
    "location.website_url": "website_url website url domain",
    "location.cuisine_primary": "cuisine_primary cuisine primary_cuisine cuisine_type",
    "location.service_style": "service_style service_type",
    "location.menu_complexity": "menu_complexity",
    "location.pos_system": "pos_system pos current_pos pos_provider",
    "location.pos_account_id": "pos_account_id",
    "location.seating_capacity": "seating_capacity seats",
    "location.employee_count": "employee_count employees num_employees",
    "location.estimated_annual_revenue": "estimated_annual_revenue annual_revenue estimated_revenue revenue",
    "location.avg_check_size": "avg_check_size average_check avg_check",
    "location.latitude": "latitude lat",
    "location.longitude": "longitude lng lon",
    "location.last_enriched_at": "last_enriched_at enriched_at",
}
_PERSON: Final = {
    "contact.first_name": "contact_first_name first_name firstname",
    "contact.last_name": "contact_last_name last_name lastname",
    "contact.title": "contact_title title job_title jobtitle",
    "contact.role_type": "role_type contact_role",
    "contact.do_not_contact": "do_not_contact dnc opted_out email_opt_out hs_email_optout is_unsubscribed",
    "contact.unsubscribed_at": "unsubscribed_at opted_out_at",
    "contact.last_contacted_at": "last_contacted_at last_contacted notes_last_contacted",
    "contact.preferred_contact_method": "preferred_contact_method preferred_contact",
    "contact.is_decision_maker": "is_decision_maker decision_maker",
}
_BUSINESS: Final = {
    "organization.industry": "industry",
    "organization.entity_type": "entity_type",
    "organization.notes": "notes note comments",
    "organization.tags": "tags labels",
    "organization.came_from": "source lead_source",
    "organization.source_campaign": "source_campaign campaign utm_campaign",
    "organization.hubspot_company_id": "hubspot_company_id hs_company_id associatedcompanyid associated_company_id",
    "organization.stripe_customer_id": "stripe_customer_id stripe_id",
    "organization.square_customer_id": "square_customer_id",
    "created_at": "created_at createdate created createdat date_added hubspot_created_at",
}

COLUMNS: Final[Mapping[Kind, Mapping[str, tuple[str, ...]]]] = {
    Kind.CLIENT: _columns(
        {
            **_PLACE, **_PERSON, **_BUSINESS,
            "id": "id client_id uuid",
            "organization.legal_name": "company company_name legal_name business_name",
            "organization.dba_name": "name dba_name display_name",
            "organization.slug": "slug portal_slug",
            "location.phone": "phone phone_number telephone",
            "contact.slug": "slug portal_slug",
            "contact.full_name": "contact_name primary_contact owner_name",
            "contact.email": "email contact_email primary_email",
            "contact.phone": "contact_phone mobile_phone mobile",
            "contact.hubspot_contact_id": "hubspot_contact_id hubspot_id",
            "contact.portal_enabled": "portal_enabled portal_access",
            "account.rep": "assigned_rep assigned_rep_id rep_slug rep_id assigned_to rep",
            "plan.tier": "support_plan_tier support_plan plan_tier plan",
            "plan.status": "support_plan_status plan_status subscription_status",
            "plan.started": "support_plan_started support_plan_started_at plan_started_at",
            "plan.since": "client_since customer_since converted_at",
            "plan.client_status": "status client_status account_status",
            "plan.hours_included": "support_hours_included hours_included monthly_hours",
            "plan.hours_used": "support_hours_used hours_used",
            "plan.minutes_included": "support_minutes_included",
            "plan.minutes_used": "support_minutes_used",
            "plan.mrr": "mrr_cents mrr",
            "plan.revenue": "total_revenue_cents total_revenue",
            "plan.subscription": "stripe_subscription_id subscription_id",
            "plan.health": "health_score",
            "plan.nps": "nps_score",
        }
    ),
    Kind.LEAD: _columns(
        {
            **_PLACE, **_PERSON, **_BUSINESS,
            "id": "id lead_id uuid",
            "organization.legal_name": "business_name restaurant_name company company_name name",
            "organization.dba_name": "dba_name dba trade_name",
            "location.name": "location_name",
            "location.phone": "phone phone_number telephone business_phone",
            "location.email": "business_email general_email",
            "contact.full_name": "contact_name owner_name primary_contact",
            "contact.email": "email contact_email owner_email",
            "contact.phone": "contact_phone owner_phone mobile_phone",
            "contact.hubspot_contact_id": "hubspot_contact_id hubspot_id",
            "account.rep": "assigned_rep assigned_rep_id rep_slug rep_id assigned_to rep",
            "lead.status": "status lead_status",
        }
    ),
    Kind.HUBSPOT: _columns(
        {
            **_PLACE, **_PERSON, **_BUSINESS,
            "id": "hubspot_contact_id hubspot_id hs_object_id vid contact_id id",
            "organization.legal_name": "company company_name associated_company organization",
            "contact.full_name": "full_name name contact_name",
            "contact.email": "email email_address",
            "contact.phone": "phone phone_number mobilephone mobile_phone",
            "contact.hubspot_contact_id": "hubspot_contact_id hubspot_id hs_object_id vid",
            "hubspot.stage": "lifecyclestage lifecycle_stage",
            "lead.status": "hs_lead_status lead_status",
        }
    ),
}  # fmt: skip
"""Targets and their columns by kind of table."""

NOT_TAKEN: Final = frozenset({
    "updated_at", "lastmodifieddate", "last_modified_at", "synced_at", "last_synced_at", "sync_status", "password_hash", "magic_link_token",
    "magic_link_expires", "churn_risk", "health_trend", "data_completeness", "lead_score", "score",
})  # fmt: skip
"""What is worked out anew, belongs to the old system's own housekeeping, or is a secret: not reported as left behind."""
