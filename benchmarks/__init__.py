"""``make bench``: how fast, beside the same SQL run by pgbench on the same server in the same run."""
