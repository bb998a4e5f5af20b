"""POST /api/suppressions/{suppression_id}/lift"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.messaging.suppressions import service
from clientway.messaging.suppressions.schemas import Suppression, SuppressionLift

app = api(__name__)


@app.post("/api/suppressions/<suppression_id>/lift", summary="Lift a suppression", tags=["Suppressions"], operation_id="lift_suppression")
def lift_suppression(suppression_id: UUID, given: SuppressionLift) -> Suppression:
    """Write to an address again; the entry is kept with the reason. Only an admin lifts what a recipient asked for themselves."""
    with transaction(app, needs="suppressions:write") as tx:
        return service.remove(tx, suppression_id, given.reason)


handler = app.lambda_handler
