"""Approvals, as plain values: what a policy covers, and the commands that wait."""
