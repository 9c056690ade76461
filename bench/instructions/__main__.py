"""Counts instructions and compares, or stores them anew.

    python -m bench.instructions [--renew]

Exit status 1 where a question takes more than the tolerance more, or less, than is stored for
this compiler. `--renew` stores what was counted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench.instructions.figures import Figures, build_of, differences
from bench.instructions.measure import measure

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.instructions")
    parser.add_argument("--renew", action="store_true", help="store what was counted")
    renew = parser.parse_args().renew
    figures, build = Figures.read(), build_of()
    with tempfile.TemporaryDirectory() as folder:
        counted = measure(Path(folder))
    stored = figures.of.get(build, {})
    for name, count in counted.items():
        before = f"{stored[name]:>12,} {count / stored[name] - 1:+7.1%}" if name in stored else ""
        print(f"{name:<28} {count:>12,} {before}")
    if renew:
        figures.of[build] = counted
        figures.write()
        sys.exit(0)
    if build not in figures.of:
        sys.exit(f"no figures are stored for {build}; --renew stores these")
    faults = differences(stored, counted, figures.tolerance)
    sys.exit("\n".join(faults) if faults else 0)
