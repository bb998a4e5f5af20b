"""Who may do what: the one role matrix. What is not listed here is refused to everybody."""

from clientway.errors import Forbidden

VIEWERS = ("admin", "editor", "viewer")
EDITORS = ("admin", "editor")
ADMINS = ("admin",)

PERMISSIONS: dict[str, tuple[str, ...]] = {
    "self:read": VIEWERS,
    "self:write": VIEWERS,
    "organizations:read": VIEWERS,
    "organizations:write": EDITORS,
    "contacts:read": VIEWERS,
    "contacts:write": EDITORS,
    "activities:read": VIEWERS,
    "activities:write": EDITORS,
    "deals:read": VIEWERS,
    "deals:write": EDITORS,
    "tickets:read": VIEWERS,
    "tickets:write": EDITORS,
    "surveys:read": VIEWERS,
    "surveys:write": EDITORS,
    "referrals:read": VIEWERS,
    "referrals:write": EDITORS,
    "reps:read": VIEWERS,
    "reps:write": ADMINS,
    "accounts:read": VIEWERS,
    "accounts:write": EDITORS,
    "payments:read": VIEWERS,
    # Staff with the right role, or the payment provider's verified event, mark money as paid: nobody else.
    "payments:write": ADMINS,
    "consents:read": VIEWERS,
    "consents:write": EDITORS,
    "custom_fields:read": VIEWERS,
    "custom_fields:write": ADMINS,
    "households:read": VIEWERS,
    "households:write": EDITORS,
    "merges:read": VIEWERS,
    "merges:write": EDITORS,
    "services:read": VIEWERS,
    "services:write": EDITORS,
    "jobs:read": VIEWERS,
    "jobs:write": EDITORS,
    "invoices:read": VIEWERS,
    "invoices:write": EDITORS,
    "campaigns:read": VIEWERS,
    "campaigns:write": EDITORS,
    "campaigns:launch": EDITORS,
    # One that is transactional: it reaches those who have unsubscribed, too.
    "campaigns:transactional": ADMINS,
    # One that was stopped for its complaints.
    "campaigns:restart": ADMINS,
    "segments:read": VIEWERS,
    "segments:write": EDITORS,
    "templates:read": VIEWERS,
    "templates:write": EDITORS,
    "messages:read": VIEWERS,
    "messages:write": EDITORS,
    "suppressions:read": VIEWERS,
    "suppressions:write": EDITORS,
    "settings:read": VIEWERS,
    "settings:write": ADMINS,
    "integrations:read": ADMINS,
    "integrations:write": ADMINS,
    "imports:read": VIEWERS,
    "imports:write": EDITORS,
    "members:read": ADMINS,
    "members:write": ADMINS,
    "keys:read": ADMINS,
    "keys:write": ADMINS,
    "portal:read": ("portal",),
    "portal:write": ("portal",),
}


def roles_allowed(permission: str) -> tuple[str, ...]:
    """The roles that hold a permission; an unknown permission is a defect and raises KeyError."""
    return PERMISSIONS[permission]


def require(role: str | None, permission: str, detail: str) -> None:
    """For what only the data tell that it takes more than the endpoint does: raise Forbidden (403), which names the permission."""
    if role not in roles_allowed(permission):
        raise Forbidden(detail, permission=permission)
