"""What tests have in common: drivers, factories, servers of their own."""
