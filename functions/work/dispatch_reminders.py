"""Schedule, and woken when something is due: send the reminders that are due, all tenants, a batch each in turn"""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway.work.reminders import dispatching

logger = Logger(service="clientway")
# Left for what is on its way when time is up: a provider that does not answer takes 20 seconds.
_RESERVE_MILLISECONDS = 45_000


def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Go on until nothing is due or the function's time is nearly up; the next run takes up the rest."""
    done = dispatching.dispatch(until=lambda: context.get_remaining_time_in_millis() < _RESERVE_MILLISECONDS)
    answer = {**done.states, "replanned": done.replanned}
    if any(answer.values()):
        # The relay is called by this line (template.yaml).
        logger.info("effects wait", extra={"reminders": answer})
    return answer
