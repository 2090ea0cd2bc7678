"""What must be true of a history that is told afterwards, so that nothing that rests on the order of time is wrong about it.

Usually the database's clock says when a movement happened. Demo data says it itself, under rules that leave every promise standing:

- Only *after* all that is in the journal, in the order of time, and never in the future. So the times of an account never run backwards,
  transfers' ids stay in the order of their posting, and nothing appears in the middle of a list that somebody is reading.
- Only since the fees that are in force now have been in force, so that each movement is charged what was due at its moment.
- The daily figures count all transfers of before their mark (``services/rollups.py``). If it is past such a moment, it is taken back to it:
  there is no transfer from that moment on, so none is counted twice, and none is missed. The mark's lock is held to the commit, so it
  cannot move on while these transfers are not visible yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import cast

from django.db import connection

from transfers.posting import sql
from transfers.posting.pipeline import Session


class NotAfterHistory(Exception):
    """A moment that somebody wants to give a movement is not between the end of the journal and now."""


def check_moments(session: Session, moments: Sequence[datetime], *, now: datetime) -> None:
    """Raise ``NotAfterHistory`` unless movements may be given these moments; take the daily figures' mark back where it is past them.

    Runs when the accounts' locks are held: whoever posted to them before has committed, and is seen.
    """
    if any(later < earlier for earlier, later in pairwise(moments)) or moments[-1] > now:
        raise NotAfterHistory("Moments come in order, and none is in the future.")
    session.send(sql.LOCK_ROLLUP_MARK)
    (end,) = cast("tuple[datetime | None]", session.send(sql.END_OF_HISTORY).fetchone())
    if end is not None and moments[0] <= end:
        raise NotAfterHistory(f"The journal, or what is charged, goes to {end.isoformat()}; {moments[0].isoformat()} is not after it.")
    session.send(sql.TAKE_ROLLUP_MARK_BACK, [moments[0], moments[0]])


def end_of_history() -> datetime | None:
    """Return the moment after which movements may still be given a time of their own; None in an empty ledger."""
    with connection.cursor() as cursor:
        cursor.execute(sql.END_OF_HISTORY)
        return cast("datetime | None", cursor.fetchone()[0])
