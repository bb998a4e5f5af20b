"""NPS answers: how likely clients are to recommend the tenant."""

from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.lifecycle.records import Records, check_past
from clientway.lifecycle.surveys.schemas import NpsAnswer, NpsAnswerCreate
from clientway.lifecycle.tables import nps_answers
from clientway.moments import rfc3339
from clientway.paging import Request

NPS_ANSWERS = Records("nps_answer", nps_answers, NpsAnswer, references=("contact_id",))


def of_organization(tx: Tx, organization_id: UUID, request: Request) -> Any:
    """A page of an organization's answers. Raises NotFound (404)."""
    return NPS_ANSWERS.of_organization(tx, organization_id, request, sort="answered_at")


def create(tx: Tx, organization_id: UUID, answer: NpsAnswerCreate) -> Any:
    """Record an answer. Raises NotFound (404), Unprocessable (422)."""
    check_past(tx, "answer", answered_at=answer.answered_at)
    owner = NPS_ANSWERS.lock_owner(tx, organization_id, answer)
    given = {**answer.model_dump(mode="json"), "answered_at": rfc3339(answer.answered_at or tx.now)}
    answer_id, written = NPS_ANSWERS.insert(tx, owner, given)
    effects.publish(tx, "nps.answered", {"organization_id": organization_id, "nps_answer_id": answer_id, "score": answer.score})
    return written
