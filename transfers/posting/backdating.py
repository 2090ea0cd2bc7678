"""The conditions under which movements may have a time of their own.

Usually a movement's time is the database's clock. Demo data brings its own times, under rules that
keep every guarantee:

- Only *after* everything in the journal, in the order of time, and never in the future. So the
  times of an account never run backwards, transfers' ids stay in the order of their posting, and
  no row appears in the middle of a list that a caller is reading.
- Only since the fees that are in force now have been in force, so that each movement is charged
  the fee of its moment.
- The daily figures count all transfers before their mark (figures/refresh.py), and the feed shows
  all events up to its own (services/mark.py). A mark that is past the first moment is set back to
  it: no event is there from that moment on, so none is counted or shown twice, and none is missed.
  The marks' locks are held to the commit, so they cannot move on while these transfers are not
  visible yet.
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
    """A movement's moment is not between the end of the journal and now."""


def check_moments(session: Session, moments: Sequence[datetime], *, now: datetime) -> None:
    """Raise ``NotAfterHistory`` unless movements may have these moments; set the marks of the daily
    figures and of the feed back where they are past them.

    Runs when the accounts' locks are held: earlier postings to them have committed, and are seen.
    """
    if any(later < earlier for earlier, later in pairwise(moments)) or moments[-1] > now:
        raise NotAfterHistory("Moments come in order, and none is in the future.")
    session.send(sql.LOCK_FIGURES_MARK)
    session.send(sql.TAKE_FEED_MARK_BACK, [moments[0]])
    (end,) = cast("tuple[datetime | None]", session.send(sql.END_OF_HISTORY).fetchone())
    if end is not None and moments[0] <= end:
        raise NotAfterHistory(f"The journal, or what is charged, goes to {end.isoformat()}; {moments[0].isoformat()} is not after it.")
    session.send(sql.TAKE_FIGURES_MARK_BACK, [moments[0], moments[0]])


def end_of_history() -> datetime | None:
    """Return the moment after which movements may still be given a time of their own; None in an
    empty ledger.
    """
    with connection.cursor() as cursor:
        cursor.execute(sql.END_OF_HISTORY)
        return cast("datetime | None", cursor.fetchone()[0])
