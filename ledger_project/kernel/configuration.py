"""A configuration that cannot work."""


class ConfigurationError(ValueError):
    """A setting from the environment is wrong; the message says which and what would be right."""
