"""Anticipated failures: what a rule or a service raises and a handler answers as application/problem+json."""

from collections.abc import Iterable, Mapping


class Problem(Exception):
    """The base of every typed error. A subclass names its status, code and title, and lives beside the rule that raises it."""

    status: int = 500
    code: str = "problem"
    title: str = "Problem"

    def __init__(self, detail: str, *, errors: Iterable[Mapping[str, object]] = (), **extensions: object) -> None:
        """Say what went wrong, with one entry for each faulty field and any members that the answer should carry."""
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.extensions = extensions
