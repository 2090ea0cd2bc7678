"""Use cases: the only way to change anything. Each builds a command and hands it to the engine."""
