"""Processes that die, told in this one: at a flight of the job role's connection, or wherever somebody raises Killed."""

import itertools
import socket
from contextlib import contextmanager

from clientway import engines
from clientway.pipeline import PipelinedConnection


class Killed(BaseException):
    """The process is no more: nobody can catch it and nothing is sent after it."""


@contextmanager
def mortal(monkeypatch, at, when):
    """Have the worker die before or after its flight of this number; yields what counts the flights."""
    flown = itertools.count()
    made = []
    whole = PipelinedConnection._whole

    @contextmanager
    def fatal(self):
        number = next(flown)
        made.append(number)
        if number == at and when == "before":
            self._usock.shutdown(socket.SHUT_RDWR)
            raise Killed
        with whole(self):
            yield
        if number == at and when == "after":
            self._usock.shutdown(socket.SHUT_RDWR)
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(PipelinedConnection, "_whole", fatal)
        try:
            yield made
        finally:
            engines.engine("job").dispose()
