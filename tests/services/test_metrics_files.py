"""The files of the metrics: no disk and no dead process does harm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environment import ROOT

COUNT = """
from ledger_project.observability import metrics
metrics.REPLAYS.inc(2)
metrics.REQUESTS.labels("GET", "healthz", "200").inc()
metrics.BATCH_SIZE.observe(3)
metrics.QUEUE_DEPTH.set(7)
for number in range(400):
    metrics.REFUSALS.labels(f"code_{number}_{'x' * 200}").inc()
"""
TELL = "\nprint(metrics.exposition().decode())"

LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (%d, %d))
"""


def run(folder: Path, program: str) -> str:
    """Run a program in a process of its own that shares its figures in a folder."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("room", [0, 100, 1 << 16, 3 << 16])
def test_a_process_without_room_for_its_figures_works_on(tmp_path: Path, room: int) -> None:
    """As on a full disk: no file at all, a part of one, and files that cannot grow."""
    told = run(tmp_path / "figures", LIMITED % (room, room) + COUNT + TELL)
    assert ("ledger_replays_total 2.0" in told) == (room >= 1 << 16)


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "ledger_replays_total 2.0" in run(tmp_path / "file" / "figures", COUNT + TELL)


def test_what_the_dead_counted_stays_and_their_files_do_not(tmp_path: Path) -> None:
    for _ in range(3):
        run(tmp_path, COUNT)
    (tmp_path / "counter_4194999.db").write_bytes(b"")  # of a process that was killed while it made it
    told = run(tmp_path, COUNT + TELL)
    assert "ledger_replays_total 8.0" in told
    assert "ledger_posting_batch_size_count 4.0" in told
    assert 'ledger_posting_batch_size_bucket{le="4.0"} 4.0' in told
    assert "ledger_queue_depth 7.0" in told, "gauges of processes that are gone count"
    assert len(list(tmp_path.glob("counter_*.db"))) == 2
    assert len(list(tmp_path.iterdir())) <= 6, "one for each kind of figure, and one counter of all who are gone"


def test_a_number_that_was_given_again_does_not_keep_a_dead_process_alive(tmp_path: Path) -> None:
    run(tmp_path, COUNT)
    for path in tmp_path.glob("*.db"):
        path.rename(path.with_name(f"{path.stem.rpartition('_')[0]}_{os.getpid()}.db"))
    told = run(tmp_path, "from ledger_project.observability import metrics" + TELL)
    assert "ledger_replays_total 2.0" in told
    assert "ledger_queue_depth 0.0" in told
    assert not list(tmp_path.glob(f"*_{os.getpid()}.db"))
