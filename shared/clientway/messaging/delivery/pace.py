"""How many messages at once a worker hands to a provider, how long it waits in between, and when it leaves it alone.

It begins with a few, takes twice as many after a wave that went well and half as many after one that did not: so it finds the
rate that an account has without being told, and few answers are lost where the provider is away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from clientway.messaging.delivery.calls import AT_ONCE

Came = Literal["answered", "throttled", "troubled"]
"""What came of a call: an answer about the message; that it is too much for now; a refusal for now or an answer that was lost."""

PATIENCE: Final = (1.0, 2.0, 4.0)
"""Seconds to wait after a wave of which something was too much, the later ones where nothing was taken in between."""
MOST_TROUBLES: Final = 3
"""So many troubles one after another are the provider's and not the messages'."""


@dataclass
class Pace:
    """What one worker has felt of one provider."""

    width: int = MOST_TROUBLES
    """How many messages are the next wave."""
    wait: float = 0.0
    """Seconds to wait before it."""
    tired: bool = False
    """Whether the provider is to be left alone for longer than that."""
    troubles: int = 0
    in_vain: int = 0

    def felt(self, wave: Sequence[Came]) -> None:
        """Learn from a wave, in the order of its messages: whether to go on after it, when, and how many to take."""
        for came in wave:
            if came == "troubled":
                self.troubles += 1
                self.tired = self.tired or self.troubles >= MOST_TROUBLES
            elif came == "answered":
                self.troubles = 0
        throttled = "throttled" in wave
        if "answered" in wave:
            self.in_vain = 0
        self.tired = self.tired or self.in_vain == len(PATIENCE)
        if self.tired:
            self.wait = 0.0
        elif throttled:
            self.wait = PATIENCE[self.in_vain]
            self.in_vain += 1
        else:
            # That a few after a rest were not too much says little of more without one.
            self.wait = min(self.wait, PATIENCE[0]) if self.width < AT_ONCE else 0.0
        self.width = min(self.width * 2, AT_ONCE) if set(wave) == {"answered"} else max(self.width // 2, 1)
