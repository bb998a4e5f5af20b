"""/api/suppressions/{suppression_id}"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.messaging.suppressions import service
from clientway.messaging.suppressions.schemas import Suppression

app = api(__name__)


@app.get("/api/suppressions/<suppression_id>", summary="Read a suppression", tags=["Suppressions"], operation_id="read_suppression")
def read_suppression(suppression_id: UUID) -> Suppression:
    """One entry, whether it stands or was lifted."""
    with transaction(app, needs="suppressions:read") as tx:
        return service.read(tx, suppression_id)


handler = app.lambda_handler
