"""The store: one transaction that posts a list of jobs. The only writer of the journal."""

from transfers.store.posting import Contention, JobResults, post
from transfers.store.reading import ONLY_FREE, WAIT, Busy, Locking

__all__ = ["ONLY_FREE", "WAIT", "Busy", "Contention", "JobResults", "Locking", "post"]
