"""POST /api/duplicates/scan"""

from clientway.http import api, transaction
from clientway.lifecycle.duplicates import service
from clientway.lifecycle.duplicates.schemas import DuplicateScan, DuplicateScanned

app = api(__name__)


@app.post("/api/duplicates/scan", summary="Look for duplicates", tags=["Merges"], operation_id="scan_duplicates")
def scan_duplicates(wanted: DuplicateScan) -> DuplicateScanned:
    """Look now for duplicates of one contact, or of all that changed; a schedule does so regularly."""
    with transaction(app, needs="merges:write") as tx:
        return service.scan(tx, wanted)


handler = app.lambda_handler
