"""The files of deploy/: systemd takes the units, and they start the service as the container does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environment import ROOT

UNITS = sorted(path.name for path in (ROOT / "deploy").glob("*.service"))


def settings(name: str) -> list[tuple[str, str]]:
    """Return the settings of a unit in their order."""
    text = (ROOT / "deploy" / name).read_text()
    return re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_takes_the_units(name: str, tmp_path: Path) -> None:
    interpreter = Path(sys.executable)
    text = (ROOT / "deploy" / name).read_text().replace("/opt/ledger/.venv/bin", str(interpreter.parent))
    (tmp_path / name).write_text(text.replace("User=ledger", "User=root").replace("Group=ledger", "Group=root"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)], capture_output=True, text=True, timeout=60, check=False
    )
    if "Failed to" in done.stderr and name not in done.stderr:
        pytest.skip(f"systemd-analyze cannot work here: {done.stderr.strip()}")
    assert [line for line in done.stderr.splitlines() if name in line] == []


def test_the_web_unit_serves_as_the_container_does() -> None:
    found = dict(settings("ledger-web.service"))["ExecStart"].partition("uvicorn ")[2]
    container = re.search(r"exec uvicorn (.*?)\"\]", (ROOT / "Dockerfile").read_text())
    assert container is not None
    wanted = container[1].replace('\\"$FORWARDED_ALLOW_IPS\\"', "${FORWARDED_ALLOW_IPS}").replace("${WORKERS:-2}", "${WORKERS}")
    assert found == wanted.replace("--host 0.0.0.0", "--host 127.0.0.1")


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_gives_a_process_the_time_to_end_in_order(name: str) -> None:
    found = dict(settings(name))
    assert int(found["TimeoutStopSec"]) >= 45
    assert found["User"] == "ledger"


def test_the_settings_of_the_files_are_settings_of_the_service() -> None:
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE))
    named = {value.partition("=")[0] for unit in UNITS for key, value in settings(unit) if key == "Environment"}
    named |= set(re.findall(r"^([A-Z_]+)=", (ROOT / "deploy" / "ledger.env").read_text(), re.MULTILINE))
    named |= set(re.findall(r"^([A-Z_]+)=", (ROOT / "deploy" / "ledger-manage").read_text(), re.MULTILINE))
    assert {name.removesuffix("_FILE") for name in named} <= documented


def test_the_script_is_one_that_a_plain_shell_reads() -> None:
    subprocess.run(["sh", "-n", str(ROOT / "deploy" / "ledger-manage")], check=True)


def test_every_file_is_in_the_guide() -> None:
    guide = (ROOT / "docs" / "production.md").read_text()
    assert {path.name for path in (ROOT / "deploy").iterdir()} <= set(re.findall(r"deploy/([\w.-]+)", guide))
