"""/api/disputes/{dispute_id}"""

from uuid import UUID

from clientway.billing.disputes import service
from clientway.billing.disputes.schemas import Dispute, DisputePatch
from clientway.http import api, if_match, transaction

app = api(__name__)


@app.get("/api/disputes/<dispute_id>", summary="Read a dispute", tags=["Disputes"], operation_id="read_dispute")
def read_dispute(dispute_id: UUID) -> Dispute:
    """One dispute."""
    with transaction(app, needs="payments:read") as tx:
        return service.read(tx, dispute_id)


@app.patch("/api/disputes/<dispute_id>", summary="Close a dispute", tags=["Disputes"], operation_id="change_dispute")
def change_dispute(dispute_id: UUID, patch: DisputePatch) -> Dispute:
    """Close a dispute that staff recorded. If it is lost, the money is gone and what it paid is owed again."""
    version = if_match(app)
    with transaction(app, needs="payments:write") as tx:
        return service.change(tx, dispute_id, patch, version=version)


handler = app.lambda_handler
