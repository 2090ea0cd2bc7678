"""The embedded PostgreSQL leaves nothing behind: its files are in the data folder, or are removed together with it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger_project.database import embedded_places
from ledger_project.database.embedded import EmbeddedPostgres
from ledger_project.database.embedded_places import STATE, home_of, is_readable_by_all
from tests.environment import ROOT
from tests.support.own_servers import ask

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers have files elsewhere")


@pytest.fixture(params=["open", "closed"])
def data_dir(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A data folder that every user can reach, and one below a folder that is closed to others."""
    with tempfile.TemporaryDirectory(prefix="ledger-places-") as folder:
        Path(folder).chmod(0o755 if request.param == "open" else 0o700)
        yield Path(folder) / "data"


def removed(*folders: Path) -> list[str]:
    """Do what ``make clean`` does with folders, by the interpreter alone; return what it says."""
    command = [sys.executable, "-S", "-m", "ledger_project.database.embedded_places", *map(str, folders)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()


def test_a_server_works_and_what_it_has_is_removed_with_the_data_also_while_it_runs(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    server.start()
    url = f"postgresql://postgres@/{server.DATABASE}?host={server.socket_dir}"
    assert ask(url, "SELECT 1") == [(1,)]
    is_inside = data_dir in (server.home, *server.home.parents)
    assert is_inside or server.home.parent == STATE
    assert EmbeddedPostgres(data_dir).home == server.home, "a second run finds the same data"
    assert removed(data_dir) == ([] if is_inside else [f"removed {server.home}"])
    assert not server.is_running()
    assert is_inside or not server.home.exists()


@as_root
def test_root_has_its_data_inside_where_the_servers_user_can_reach_it(data_dir: Path) -> None:
    is_open = bool(data_dir.parent.stat().st_mode & 0o001)
    home = home_of(data_dir, is_root=True)
    assert home == (data_dir / "server" if is_open else STATE / (data_dir / "cluster").read_text())
    home.mkdir(parents=True, exist_ok=True)
    data_dir.parent.chmod(0o700 if is_open else 0o755)  # what was made stays where it is
    assert home_of(data_dir, is_root=True) == home
    assert removed(data_dir) == ([] if is_open else [f"removed {home}"])


def test_without_root_everything_is_in_the_data_folder(data_dir: Path) -> None:
    assert home_of(data_dir, is_root=False) == data_dir


@pytest.mark.parametrize("name", ["", "..", "../..", "/", "postgres", "0123456789ab/..", "0123456789ab\n"])
def test_a_damaged_name_of_a_cluster_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    state = tmp_path / "state"
    (state / "0123456789ab").mkdir(parents=True)
    (state / "postgres").mkdir()
    monkeypatch.setattr(embedded_places, "STATE", state)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cluster").write_text(name)
    assert list(embedded_places.remove_outside(tmp_path / "data")) == []
    assert {place.name for place in state.iterdir()} == {"0123456789ab", "postgres"}


def test_a_process_of_somebody_else_under_the_number_of_a_server_that_died_is_let_be(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (tmp_path / "postgres" / "postmaster.pid").write_text(f"{other.pid}\n{tmp_path}/postgres\n")
        assert removed(tmp_path, tmp_path / "nothing") == []
        assert other.poll() is None
        other.kill()


def test_binaries_are_copied_only_from_where_others_cannot_read_them(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "bin").mkdir(parents=True)
        (place / "bin" / "postgres").write_text("")
        place.chmod(0o755)
        assert is_readable_by_all(place)
        (place / "bin" / "postgres").chmod(0o600)
        assert not is_readable_by_all(place)
        (place / "bin" / "postgres").chmod(0o644)
        (place / "bin").chmod(0o700)
        assert not is_readable_by_all(place)
    tmp_path.chmod(0o700)
    assert not is_readable_by_all(tmp_path)


def test_make_clean_removes_what_is_elsewhere_before_the_folders_that_name_it() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\nclean:")[2]
    first, second = (line for line in recipe.splitlines()[1:3])
    assert "-m ledger_project.database.embedded_places" in first
    folders = first.partition("embedded_places")[2].split()
    assert folders == ["$(VENV)", ".data", ".data-test*"]
    assert all(folder in second.split() for folder in folders)
