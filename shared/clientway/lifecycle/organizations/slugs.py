"""Slugs: made of a name, free in the tenant, and never changed or given to another afterwards."""

from clientway.errors import Conflict

TRIES = 5
"""How often an insert is repeated whose slug somebody else took meanwhile."""


class SlugRace(Conflict):
    """409: too many rows of one name were created at the same moment."""

    code, title = "slug_race", "Try again"

    def __init__(self) -> None:
        """Ask for another try."""
        super().__init__("Many of this name are being created; try again.", headers={"Retry-After": "1"})


def free_slug(table: str, base: str = "g.slug") -> str:
    """SQL for the first slug that is free: `base`, or with -2, -3 … appended; after a thousand with random digits.

    Deleted rows keep theirs: links that were handed out must not come to mean somebody else. Two writers may find the
    same: the insert then has no effect (on conflict do nothing) and is repeated.
    """
    return (
        f"coalesce((select s.slug from"
        f" (select n, case when n = 1 then {base} else {base} || '-' || n end as slug from generate_series(1, 1000) n) s"
        f" where (select true from {table} x where x.tenant_id = app.tenant() and x.slug = s.slug limit 1) is null order by s.n limit 1),"
        f" {base} || '-' || substr(md5(random()::text), 1, 10))"
    )
