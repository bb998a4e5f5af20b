"""POST /api/person/proposals/{proposal_id}/confirm"""

from uuid import UUID

from clientway.http import api, personal
from clientway.identity.person_account import service
from clientway.identity.person_account.schemas import ProposalConfirm, ProposalDecided

app = api(__name__)


@app.post("/api/person/proposals/<proposal_id>/confirm", summary="Confirm a change", tags=["Persons"], operation_id="confirm_proposal")
def confirm_proposal(proposal_id: UUID, choice: ProposalConfirm) -> ProposalDecided:
    """Have a change written to the records of the other tenants that hold this person, or of some of them."""
    with personal(app) as (tx, session):
        return service.confirm(tx, session, proposal_id, choice)


handler = app.lambda_handler
