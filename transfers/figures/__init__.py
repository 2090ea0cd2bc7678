"""Daily figures beside the journal: how they are kept up to date, and how they are read."""
