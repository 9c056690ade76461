"""`python -m examples.years b2b_wechat DIR`: writes a made-up year, and prints the commands
that load it."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from examples.years import companies, shoppers
from examples.years.year import ZONE

_WRITERS = {"b2b_wechat": companies.write_year, "retail": shoppers.write_year}


def main() -> None:
    """Writes a year to a folder."""
    parser = argparse.ArgumentParser(prog="python -m examples.years", description=__doc__)
    parser.add_argument("model", choices=sorted(_WRITERS), help="which example model it is for")
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the files are written")
    parser.add_argument("--people", type=int, default=20_000, help="how many; default 20000")
    parser.add_argument(
        "--until",
        type=datetime.fromisoformat,
        default=None,
        help="the last instant of the year, such as 2026-11-01T00:00; default: now",
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed is another year")
    options = parser.parse_args()
    if options.people < 1:
        parser.error("--people must be at least 1")
    options.folder.mkdir(parents=True, exist_ok=True)
    until = options.until or datetime.now(ZONE)
    if until.tzinfo is None:
        until = until.replace(tzinfo=ZONE)
    files = _WRITERS[options.model](options.folder, options.people, until, options.seed)
    store = f"--store {options.folder / 'store'}"
    print(f"strata apply {store} examples/{options.model}/model.yaml")
    for source, path in files.items():
        print(f"strata load {store} --source {source} {path}")
    # Cuts of cells and shares are those of the empty store until they are worked out anew.
    print(f"strata refresh {store}")


if __name__ == "__main__":
    main()
