"""/api/reps/{rep_id}"""

from uuid import UUID

from clientway.http import api, if_match, transaction
from clientway.lifecycle.reps import service
from clientway.lifecycle.reps.schemas import Rep, RepPatch

app = api(__name__)


@app.get("/api/reps/<rep_id>", summary="Read a rep", tags=["Reps"], operation_id="read_rep")
def read_rep(rep_id: UUID) -> Rep:
    """One rep."""
    with transaction(app, needs="reps:read") as tx:
        return service.read(tx, rep_id)


@app.patch("/api/reps/<rep_id>", summary="Change a rep", tags=["Reps"], operation_id="change_rep")
def change_rep(rep_id: UUID, patch: RepPatch) -> Rep:
    """Replace what is sent; an inactive rep keeps organizations but gets no new ones."""
    version = if_match(app)
    with transaction(app, needs="reps:write") as tx:
        return service.change(tx, rep_id, patch, version=version)


handler = app.lambda_handler
