"""The store: one transaction that posts a list of jobs. The only writer of the journal."""

from transfers.store.posting import Contention, JobResults, post
from transfers.store.reading import Busy

__all__ = ["Busy", "Contention", "JobResults", "post"]
