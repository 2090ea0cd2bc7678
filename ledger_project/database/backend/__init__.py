"""Django's backend for PostgreSQL, with sessions that set what the ledger relies on."""
