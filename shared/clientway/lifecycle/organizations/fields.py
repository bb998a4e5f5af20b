"""Types that the bodies of organizations, locations, contacts and reps share.

All constraints of a text stand in one string schema, so that it is trimmed before its length is taken: blank is not a name.
"""

from typing import Annotated

from pydantic import StringConstraints

Clean = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""Text that PostgreSQL can keep."""
Line = Annotated[Clean, StringConstraints(min_length=1, max_length=300, strip_whitespace=True)]
"""Trimmed text that says something."""
