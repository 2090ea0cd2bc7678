"""What the commands of all apps share: their arguments, their output, and how they end."""
