"""POST /api/contacts/{contact_id}/merge"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.lifecycle.merges import service
from clientway.lifecycle.merges.schemas import ContactMerge, MergeRequest

app = api(__name__)


@app.post("/api/contacts/<contact_id>/merge", status_code=201, summary="Merge contacts", tags=["Merges"], operation_id="merge_contacts")
def merge_contacts(contact_id: UUID, wanted: MergeRequest) -> ContactMerge:
    """Merge another contact into this one, which survives. Nothing is thrown away; within 90 days it can be undone."""
    with transaction(app, needs="merges:write") as tx:
        return service.merge(tx, contact_id, wanted)


handler = app.lambda_handler
