"""SQL that more than one room speaks: the guards that migrations install, and parts of queries."""
