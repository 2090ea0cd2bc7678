"""``python -m tests.faults.approver PRINCIPAL``: a process for each line of ids, which approves them and says so.

The tests kill it in the middle. Each is a copy of one that has imported all and has no connection: so it begins at once.
"""

from __future__ import annotations

import os
import sys
from uuid import UUID

import django


def main(principal: str) -> None:
    """Have each line approved by a process of its own; say its id before and that it ended after."""
    django.setup()
    import approvals.services.decisions

    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _approve(line.split(), approvals.services.decisions.Decider(principal, "killed"))
            os._exit(0)
        os.waitpid(pid, 0)
        print("ended", flush=True)


def _approve(ids: list[str], decider: object) -> None:
    from approvals.services.decisions import approve
    from ledger_project.kernel.errors import Unavailable

    print(os.getpid(), flush=True)
    for one in ids:
        status = ""
        while not status:
            try:
                status = approve(UUID(one), decider).status
            except Unavailable:  # what a killed one has locked is free in a moment
                continue
        print(status, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
