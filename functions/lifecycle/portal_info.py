"""GET /api/portal/{slug}/info"""

from clientway.http import api, transaction
from clientway.lifecycle.portal import service
from clientway.lifecycle.portal.schemas import PortalInfo

app = api(__name__)


@app.get("/api/portal/<slug>/info", summary="The portal's front page", tags=["Portal"], operation_id="get_portal_info")
def portal_info(slug: str) -> PortalInfo:
    """Show a contact's company, plan, hours, rep, open tickets and recent activity; only in that contact's own session."""
    with transaction(app, needs="portal:read") as tx:
        return service.info(tx, slug)


handler = app.lambda_handler
