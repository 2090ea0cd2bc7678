"""A second person: to ask one, to decide, to end what nobody decided, and to set policies."""
