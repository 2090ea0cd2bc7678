"""The database: the embedded server, connections, and what the ledger relies on in each session."""
