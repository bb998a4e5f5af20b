"""PATCH /api/duplicates/{suggestion_id}"""

from uuid import UUID

from clientway.http import api, if_match, transaction
from clientway.lifecycle.duplicates import service
from clientway.lifecycle.duplicates.schemas import DuplicatePatch, DuplicateSuggestion

app = api(__name__)


@app.patch("/api/duplicates/<suggestion_id>", summary="Dismiss a likely duplicate", tags=["Merges"], operation_id="change_duplicate")
def change_duplicate(suggestion_id: UUID, patch: DuplicatePatch) -> DuplicateSuggestion:
    """Say that they are two people, so that they are not suggested again; or open the suggestion again."""
    version = if_match(app)
    with transaction(app, needs="merges:write") as tx:
        return service.change(tx, suggestion_id, patch, version=version)


handler = app.lambda_handler
