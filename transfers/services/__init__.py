"""Use cases: the only way to change anything. Most build a command and hand it to the engine."""
