"""Runs `pip install`, and says in one paragraph what to do when no package index answers.

    python tools/install.py [--quiet] [-e] WHAT...
    python tools/install.py [--quiet] --required-by-build NAME...

With --required-by-build the names are looked up in [build-system] of pyproject.toml and
installed in the versions pinned there.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NO_INDEX = """\
pip cannot find packages: either this machine reaches no package index, or the index lacks
{pin}. Strata's build needs one. With a mirror, set PIP_INDEX_URL to its address; with a folder
of wheels, set PIP_NO_INDEX=1 and PIP_FIND_LINKS to that folder; then run make again. What pip
said: {said}"""
FAILED = """\
The installation failed; pip's messages stand above. If they speak of a compiler, the fault is
in the build; if of a package that is not found, the package index lacks it."""


def build_pins() -> dict[str, str]:
    """What the build requires, by name: {'setuptools': 'setuptools==84.2.1', ...}."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        required: list[str] = tomllib.load(file)["build-system"]["requires"]
    return {re.split(r"[=<>~! ]", pin, maxsplit=1)[0]: pin for pin in required}


def pip(*arguments: str) -> list[str]:
    """The command line of this interpreter's pip."""
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *arguments]


def paragraph(text: str) -> str:
    """The text as one paragraph that fits a terminal."""
    return textwrap.fill(" ".join(text.split()), width=88, break_long_words=False)


def main(arguments: list[str]) -> int:
    """Install, and return the exit status."""
    pins = build_pins()
    quiet = ["--quiet"] if "--quiet" in arguments else []
    wanted = [argument for argument in arguments if argument != "--quiet"]
    if wanted[:1] == ["--required-by-build"]:
        wanted = [pins[name] for name in wanted[1:]]

    # The smallest of the pins first: if that fails, nothing else can succeed.
    probe = pip("--quiet", "--retries", "1", pins["setuptools"])
    probed = subprocess.run(probe, cwd=ROOT, capture_output=True, text=True)
    if probed.returncode:
        said = (probed.stderr.strip().splitlines() or ["nothing"])[-1]
        print(paragraph(NO_INDEX.format(pin=pins["setuptools"], said=said)), file=sys.stderr)
        return 1
    if subprocess.run(pip(*quiet, *wanted), cwd=ROOT).returncode:
        print(paragraph(FAILED), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
