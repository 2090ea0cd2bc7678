"""The store: one transaction that posts a list of jobs. The only writer of the journal."""
