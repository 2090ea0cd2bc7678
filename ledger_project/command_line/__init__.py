"""What the commands of all apps share: arguments, output, and how they end."""
