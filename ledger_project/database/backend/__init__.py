"""Django's backend for PostgreSQL, with the ledger's own settings in each session."""
