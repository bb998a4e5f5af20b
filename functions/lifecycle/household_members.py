"""POST /api/households/{household_id}/members"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.lifecycle.households import service
from clientway.lifecycle.households.schemas import Household, HouseholdMemberCreate

app = api(__name__)


@app.post(
    "/api/households/<household_id>/members", summary="Add a household member", tags=["Households"], operation_id="add_household_member"
)
def add_household_member(household_id: UUID, member: HouseholdMemberCreate) -> Household:
    """Add a contact to a household, or change what they are there."""
    with transaction(app, needs="households:write") as tx:
        return service.take_in(tx, household_id, member)


handler = app.lambda_handler
