"""GET /api/merges/{merge_id}"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.lifecycle.merges import service
from clientway.lifecycle.merges.schemas import ContactMerge

app = api(__name__)


@app.get("/api/merges/<merge_id>", summary="Read a merge", tags=["Merges"], operation_id="read_merge")
def read_merge(merge_id: UUID) -> ContactMerge:
    """What was merged into whom, what it changed and how many rows it moved."""
    with transaction(app, needs="merges:read") as tx:
        return service.read(tx, merge_id)


handler = app.lambda_handler
