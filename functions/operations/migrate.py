"""Custom resource Schema at every deployment, and by hand: bring the database to the newest revision"""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway.operations import schema
from clientway.operations.commands import admin_url

# Alembic and clientway write through the root logger.
logger = Logger(service="clientway")


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Answer CloudFormation at the URL that it gives; whoever calls by hand gets the revision, or the error."""
    seconds = context.get_remaining_time_in_millis() / 1000
    if "ResponseURL" in event:
        schema.provide(event, admin_url(), seconds=seconds)
        return {}
    done = schema.migrate(admin_url(), seconds=seconds)
    logger.info("schema migrated", extra=done)
    return done
