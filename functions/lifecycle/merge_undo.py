"""POST /api/merges/{merge_id}/undo"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.lifecycle.merges import undoing
from clientway.lifecycle.merges.schemas import MergeUndone

app = api(__name__)


@app.post("/api/merges/<merge_id>/undo", summary="Undo a merge", tags=["Merges"], operation_id="undo_merge")
def undo_merge(merge_id: UUID) -> MergeUndone:
    """Give back what the merge moved. What was changed since stays as it is, and is named in the answer."""
    with transaction(app, needs="merges:write") as tx:
        return undoing.undo(tx, merge_id)


handler = app.lambda_handler
