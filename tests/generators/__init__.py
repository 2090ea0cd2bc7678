"""Generators of clients, which read the OpenAPI document as callers' tools do. Two of them come from npm, into a folder beside this file."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = HERE / "node_modules" / ".bin"
MISSING = "npm is not installed: openapi-typescript and @hey-api/openapi-ts DO NOT READ THE DOCUMENT in this run."


def have_generators() -> bool:
    """Install what package-lock.json pins, unless it is there already, and return whether it could be: not without npm, and loudly so."""
    npm = shutil.which("npm")
    if npm is None:
        print(MISSING, file=sys.stderr, flush=True)
        return False
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = HERE / "node_modules" / ".installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=HERE, check=True)
        stamp.write_text(wanted)
    return True
