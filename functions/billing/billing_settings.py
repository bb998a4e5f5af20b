"""/api/billing-settings"""

from clientway.billing.settings import service
from clientway.billing.settings.schemas import BillingSettings, BillingSettingsPatch
from clientway.http import api, if_match, transaction

app = api(__name__)


@app.get("/api/billing-settings", summary="Read the billing settings", tags=["Invoices"], operation_id="read_billing_settings")
def read_settings() -> BillingSettings:
    """How the tenant numbers, taxes and words its invoices."""
    with transaction(app, needs="settings:read") as tx:
        return service.read(tx)


@app.patch("/api/billing-settings", summary="Change the billing settings", tags=["Invoices"], operation_id="change_billing_settings")
def change_settings(patch: BillingSettingsPatch) -> BillingSettings:
    """Change how the tenant bills from here on."""
    version = if_match(app)
    with transaction(app, needs="settings:write") as tx:
        return service.change(tx, patch, version=version)


handler = app.lambda_handler
