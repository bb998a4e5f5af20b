"""POST /api/contacts/{contact_id}/merge-preview"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.lifecycle.merges import service
from clientway.lifecycle.merges.schemas import MergePreview, MergePreviewRequest

app = api(__name__)


@app.post("/api/contacts/<contact_id>/merge-preview", summary="Preview a merge", tags=["Merges"], operation_id="preview_merge")
def preview_merge(contact_id: UUID, wanted: MergePreviewRequest) -> MergePreview:
    """What merging another contact into this one would do: each field with both values, what moves, and what stands in the way."""
    with transaction(app, needs="merges:read") as tx:
        return service.preview(tx, contact_id, wanted)


handler = app.lambda_handler
