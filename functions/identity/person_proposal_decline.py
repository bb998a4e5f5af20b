"""POST /api/person/proposals/{proposal_id}/decline"""

from uuid import UUID

from clientway.http import api, personal
from clientway.identity.person_account import service
from clientway.identity.person_account.schemas import ProposalDecided

app = api(__name__)


@app.post("/api/person/proposals/<proposal_id>/decline", summary="Decline a change", tags=["Persons"], operation_id="decline_proposal")
def decline_proposal(proposal_id: UUID) -> ProposalDecided:
    """Leave the other tenants' records as they are."""
    with personal(app) as (tx, session):
        return service.decline(tx, session, proposal_id)


handler = app.lambda_handler
