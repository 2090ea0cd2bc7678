"""The database: the embedded server, connections, and the settings of each session."""
