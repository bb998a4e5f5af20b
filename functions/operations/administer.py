"""By hand (`aws lambda invoke`): tenants, people and API keys, for whoever IAM lets call this function"""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway.errors import Problem
from clientway.operations import commands

logger = Logger(service="clientway")


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Perform one command; what is refused comes back as a problem document."""
    try:
        command = commands.parse(event)
        # Neither addresses nor secrets. Who called is CloudTrail's to record: Lambda does not tell.
        logger.info("command", extra={"command": command.command})
        done = commands.perform(command)
    except Problem as problem:
        return problem.as_document(context.aws_request_id)
    if isinstance(command, commands.InviteUser):
        # This line starts the relay (template.yaml): the invitation goes out at once.
        logger.info("effects wait")
    return done
