"""/api/segments/preview"""

from clientway.http import api, transaction
from clientway.messaging.segments import service
from clientway.messaging.segments.schemas import SegmentPreview, SegmentPreviewRequest

app = api(__name__)


@app.post("/api/segments/preview", summary="Preview a segment", tags=["Segments"], operation_id="preview_segment")
def preview_segment(asked: SegmentPreviewRequest) -> SegmentPreview:
    """How many belong to a definition or a segment at this moment, ten of them, and the definition in a sentence. Nothing is kept."""
    with transaction(app, needs="segments:read") as tx:
        return service.preview(tx, asked)


handler = app.lambda_handler
