"""Users are invited, activated, changed and erased; memberships are given and taken."""
