"""Background work of the events app, beside that of transfers/upkeep."""
