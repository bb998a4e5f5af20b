"""/api/segments/fields"""

from clientway.http import api, transaction
from clientway.messaging.segments import service
from clientway.messaging.segments.schemas import SegmentFields

app = api(__name__)


@app.get("/api/segments/fields", summary="List what segments may ask about", tags=["Segments"], operation_id="list_segment_fields")
def list_segment_fields() -> SegmentFields:
    """The fields with their types, operators and values, the tenant's own among them, and the events that can be counted."""
    with transaction(app, needs="segments:read") as tx:
        return service.fields(tx)


handler = app.lambda_handler
