"""Schedules that serve every tenant: a batch each in turn, so that a large one keeps no other waiting."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")


def go_round(
    tenants: Sequence[UUID],
    transaction: Callable[[UUID], AbstractContextManager[T]],
    step: Callable[[T], int],
    *,
    batch: int,
    until: Callable[[], bool],
    failed: str,
) -> int:
    """Do a step for each tenant, each in a transaction, until none does a whole batch or `until` says stop; returns the sum.

    A step that opens transactions of its own is given the tenant, by contextlib.nullcontext.

    A tenant whose step fails is left for the next run and keeps nobody else waiting; all failures are raised at the end, as
    an ExceptionGroup that says what `failed`.
    """
    done, waiting, failures = 0, list(tenants), []
    while waiting and not until():
        still = []
        for tenant_id in waiting:
            if until():
                break
            try:
                with transaction(tenant_id) as tx:
                    count = step(tx)
            except Exception as failure:  # noqa: BLE001  (whatever it is, the other tenants come first)
                failure.add_note(f"tenant {tenant_id}")
                failures.append(failure)
                continue
            done += count
            if count == batch:
                still.append(tenant_id)
        waiting = still
    if failures:
        raise ExceptionGroup(failed, failures)
    return done
