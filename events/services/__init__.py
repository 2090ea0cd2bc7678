"""Changes of what is told to others."""
