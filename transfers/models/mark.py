"""The mark of the feed: the moment behind which nothing can appear any more."""

from django.db import models


class FeedMark(models.Model):
    """How far the journal is settled. There is one row.

    Each transfer and each event with a time at or before ``settled_until`` is there already, and no
    other one will ever be. ``candidate_until`` is the next moment that may become the mark, and
    ``candidate_xid`` the transaction number that says when (None: not taken yet). Every posting
    reads the row: its time is later than the candidate. transfers/services/mark.py moves it, and
    has the proof.

    ``id`` counts the writes of the row. A writer names the write that it has read, so it changes
    nothing after somebody else's. And readers find the newest version at the end of the index: a
    long read elsewhere (a dump) keeps all old versions in the table meanwhile.
    """

    id = models.BigIntegerField(primary_key=True)
    settled_until = models.DateTimeField()
    candidate_until = models.DateTimeField()
    candidate_xid = models.BigIntegerField(null=True)
    moved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(settled_until__lte=models.F("candidate_until")), name="feed_mark_before_candidate")
        ]

    def __str__(self) -> str:
        return f"settled until {self.settled_until}"
