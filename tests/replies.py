"""An answer of the API, and whether it is in the agreed form."""

import json
from dataclasses import dataclass
from typing import Any

from clientway.local.server import Answer


@dataclass(frozen=True)
class Reply:
    """An answer of the API."""

    status: int
    headers: dict[str, str]
    content: bytes
    cookies: tuple[str, ...] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.content)


def reply(answer: Answer) -> Reply:
    cookies = tuple(value for name, value in answer.headers if name == "set-cookie")
    return Reply(answer.status, {name: value for name, value in answer.headers if name != "set-cookie"}, answer.body, cookies)


def is_problem(answer: Reply) -> bool:
    """Whether an answer is a refusal in the agreed form."""
    if not 400 <= answer.status < 500 or answer.headers.get("content-type") != "application/problem+json":
        return False
    document = answer.json
    faults = document.get("errors", [])
    return (
        document["status"] == answer.status
        and bool(document["code"])
        and all(one["pointer"].startswith("#") and one["code"] for one in faults)
    )


def refused_in_form(answer: Reply) -> bool:
    """Whether an answer is a refusal in the agreed form that also says which field it is about, when it is about one."""
    return is_problem(answer) and (answer.status != 422 or bool(answer.json.get("errors")))


def held_out(answer: Reply) -> bool:
    """Nothing broke: an answer, or a refusal in the agreed form; what the gateway finds no route for, it refuses itself."""
    if answer.status == 404 and answer.content == b'{"message": "Not Found"}':
        return True
    return 200 <= answer.status < 300 or is_problem(answer)
