"""CDNOW: the 69,659 purchases of 23,570 customers of a shop, 1997-01-01 to 1998-06-30.

The file comes inside a package on PyPI, of which nothing is installed or run.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import zipfile
from pathlib import Path

__all__ = ["Unreachable", "fetch_purchases"]

_REQUIREMENT = "Lifetimes==0.11.3"
_MEMBER = "lifetimes/datasets/CDNOW_master.txt"
# Whoever is offline shall not wait for long to be told.
_PIP = ("--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "10")


class Unreachable(Exception):
    """The package cannot be had; the text says why in one line."""


def fetch_purchases(folder: Path) -> Path:
    """Fetches the purchases into `folder`, as CSV. Raises Unreachable."""
    command = [sys.executable, "-m", "pip", "download", *_PIP]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), _REQUIREMENT]
    fetched = subprocess.run(command, capture_output=True, text=True)
    wheel = next(folder.glob("[Ll]ifetimes-*.whl"), None)
    if fetched.returncode or wheel is None:
        told = [line for line in fetched.stderr.splitlines() if line.startswith("ERROR")]
        raise Unreachable(told[-1].removeprefix("ERROR: ") if told else "pip gives no reason")
    try:
        with zipfile.ZipFile(wheel) as archive:
            text = archive.read(_MEMBER).decode("ascii")
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError) as error:
        raise Unreachable(f"{wheel.name} is not what it should be ({error})") from error
    path = folder / "purchases.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        # Columns are apart by blanks, and the first line has their names.
        csv.writer(file).writerows(line.split() for line in text.splitlines() if line.strip())
    return path
