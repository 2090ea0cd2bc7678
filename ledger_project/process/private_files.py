"""Private files of the data folder: values that are made once and shared by all processes."""

import os
import secrets
from pathlib import Path


def kept_value(path: Path, new: str) -> str:
    """Return the content of a private file.

    The first call writes ``new``; of several first calls, one wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return path.read_text()
    # The value is written under another name first: no process must find the file empty.
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(new)
        path.hardlink_to(draft)
    except FileExistsError:
        return path.read_text()
    finally:
        draft.unlink()
    return new
