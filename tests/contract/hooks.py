"""What schemathesis is told about this API: real versions for changes, and what a refusal looks like. It loads this file by itself."""

import os
from uuid import uuid4

import requests
import schemathesis

# Rules that no schema can say; a request that fits its schema is refused for one of these or not at all.
RULES = {
    400: {"invalid_cursor", "unknown_field", "no_order", "invalid_value", "too_many", "bad_signature", "invalid_email", "invalid_phone"},
    422: {
        # What is named is not there, or not the one it has to be.
        "unknown", "unknown_contact", "unknown_location", "unknown_owner_rep", "unknown_referred_organization", "unknown_rep", "unknown_user",
        "unknown_service", "unknown_address", "unknown_assignee", "unknown_org_client", "unknown_organization",
        "needs_a_successor", "taken", "reserved", "reused", "source_missing",
        "another_account", "refused_by_stripe",
        # People: what tells nothing of anybody, and values of the tenant's own fields.
        "nobodys", "invalid_phone", "unknown_field", "not_text", "not_an_option", "not_an_integer", "not_a_number", "not_a_boolean",
        "not_a_date", "required", "no_select", "invalid_postal", "unknown_time_zone",
        # A form that a pattern would say badly.
        "invalid_email", "invalid_url", "unknown_target", "unknown_column", "invalid", "too_large",
        # Recurrence rules, and which of their occurrences a change begins with.
        "malformed_rrule", "unsupported_rrule", "rrule_never_occurs", "rrule_explodes", "not_following", "nothing_follows", "too_early",
        "same_contact", "other_currency", "negative_total", "negative_tax", "unknown_invoice", "unknown_job", "unknown_quote", "exclusive", "over_allocated",
        # Messages: what a template may hold, whom a mail goes to, what hours the law leaves.
        "template_syntax", "template_not_allowed", "template_variable_unknown", "not_for_sms", "unknown_template", "no_address", "says_nothing",
        "unknown_segment", "other_channel", "postal_address_missing", "no_member",
        "too_late", "too_short", "out_of_range", "duplicate", "too_many",
        # Definitions of segments: what goes with a field or an event, how deep and how much.
        "wrong_operator", "not_a_list", "not_a_range", "empty_range", "not_days", "no_value", "not_here", "not_dynamic",
        "too_deep", "cycle", "segment_too_large", "unknown_form",
        # How one field stands to another, or to the clock.
        "value_error", "missing", "passed", "in_the_past", "in_the_future", "too_far", "too_long", "before_start", "one_of", "before_dispute", "not_paid", "not_lost", "not_resolved", "closed",
    },
}  # fmt: skip


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Two expectations that are not this API's."""
    kind = type(failure).__name__
    # An organization that was deleted still answers for its history; a service that is not offered any more stays what jobs are of,
    # and can be changed and offered again.
    history = kind == "UseAfterFree" and (
        (case.method == "GET" and case.path.startswith("/api/organizations/{organization_id}/"))
        or case.path == "/api/services/{service_id}"
    )
    # The form of a request is looked at before who sends it: what is wrong with it is no secret, it stands in the contract.
    form_first = kind == "MissingHeaderNotRejected" and failure.header_name == "Authorization" and response.status_code in {400, 422}
    return not (history or form_first)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Give a sensible request what it needs beyond its schema: the ETag of what it changes, and a key that stays."""
    parameters = case.path_parameters or {}
    if parameters.get("api_key_id") == os.environ["CLIENTWAY_KEY_ID"]:
        parameters["api_key_id"] = str(uuid4())
    if case.path == "/api/portal/{slug}/sign-out":
        # The one session of the run is to last.
        case.headers["Authorization"] = "Bearer none"
    sensible = case.meta is None or case.meta.generation.mode.is_positive
    if not sensible:
        return
    for name, value in parameters.items():
        if value is None:
            # Taken from an answer in which nothing stood there.
            parameters[name] = str(uuid4())
    if "Idempotency-Key" in case.headers:
        # One that came before would be answered with what has been deleted since.
        case.headers["Idempotency-Key"] = uuid4().hex
    if case.query and "cursor" in case.query:
        del case.query["cursor"]
    if "If-Match" in case.headers and parameters and case.method in {"PATCH", "DELETE"}:
        found = requests.get(
            f"{os.environ['CLIENTWAY_URL']}{case.formatted_path}",
            headers={"Authorization": f"Bearer {os.environ['CLIENTWAY_KEY']}"},
            timeout=30,
        )
        case.headers["If-Match"] = found.headers.get("ETag", '"1"')


@schemathesis.check
def refusals_have_one_form(ctx, response, case):
    """Every refusal is a problem with a code, and says which place it is about where it is about one."""
    if response.status_code < 400 or response.headers["content-type"][0] == "application/json":
        return
    assert response.headers["content-type"][0] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["code"]
    assert problem["instance"]
    assert all(one["pointer"].startswith("#") and one["code"] and one["message"] for one in problem.get("errors", []))
    if response.status_code == 422:
        assert problem.get("errors"), "a body that breaks a rule, and no word where"


@schemathesis.check
def what_fits_the_schema_is_refused_for_a_rule_alone(ctx, response, case):
    """400 and 422 to a request that fits its schema: only where a rule stands behind it that a schema cannot say."""
    sensible = case.meta is not None and case.meta.generation.mode.is_positive
    if sensible and response.status_code in RULES:
        problem = response.json()
        codes = {one["code"] for one in problem.get("errors", [])} or {problem["code"]}
        assert codes <= RULES[response.status_code], f"{response.status_code} {problem}"
