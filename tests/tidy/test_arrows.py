"""Imports run one way: between the rooms of the house, and inside the engine.

Python is read by its syntax tree (imports inside functions and under TYPE_CHECKING count),
Cython and C by their import, cimport and include lines.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy.sources import ROOT, source_files

ROOMS = ("bench", "conversion", "delivery", "engine", "loaders", "server", "strata")
# The reference evaluator, which shares nothing with the path that it judges.
REFERENCE = {
    "engine.rules.reference",
    "engine.rules.reference_events",
    "engine.rules.reference_scores",
    "engine.rules.reference_tiers",
}
SHARED = {
    "engine.errors",
    "engine.failpoints",
    "engine.limits",
    "engine.nearest",
}  # leaves that everyone may use
CLIENT = {"google", "grpc", "grpc_status"}  # all that a user of the client must install

# What each room may import of the others, and which third-party packages.
OUTER = {
    "engine": (
        set(),
        {"lark", "lmdb", "numpy", "pydantic", "pydantic_core", "pyroaring", "yaml"},
    ),
    "conversion": ({"engine"}, {"numpy", "pyarrow"}),
    "loaders": ({"conversion", "engine"}, {"duckdb", "lark", "numpy", "pyarrow", "yaml"}),
    "server": (
        {"conversion", "engine", "strata.v1"},
        CLIENT
        | {"grpc_health", "grpc_reflection", "numpy", "prometheus_client", "pyarrow", "pydantic"}
        | {"pydantic_settings", "structlog", "uvloop", "yaml"},
    ),
    # A client like any other: it reads the feed through the contract.
    "delivery": ({"strata"}, {"httpx", "prometheus_client", "pydantic", "structlog"}),
    "strata": (set(), CLIENT),
    # The command line reaches for the engine only inside the functions that need it, or in the
    # one module that opens stores, which is itself imported there.
    "strata.cli": (
        {"bench", "delivery", "engine", "loaders", "server"},
        CLIENT | {"duckdb", "numpy", "pyarrow", "pyroaring", "rich", "structlog", "typer", "yaml"},
    ),
}
COMMAND_LINE = {"strata.cli", "strata.__main__"}
EMBEDDED = "strata.cli.embedded"

# What each room of the engine may import of the others, besides itself and `SHARED`.
INNER: dict[str, set[str]] = {
    "bitmaps": set(),
    "columns": {"bitmaps"},
    "events": {"bitmaps", "columns"},
    "model": set(),
    "rules": {"model"},
    "store": {"bitmaps", "columns", "events", "model"},
    "identity": {"columns", "model", "store"},
    "core": {"bitmaps", "columns", "events", "model", "rules", "store"},
    "live": {"bitmaps", "columns", "core", "events", "identity", "model", "rules", "store"},
    "listing": {"bitmaps", "columns", "live", "model", "store"},
    "measuring": {"core", "model", "rules"},
    "explaining": {"columns", "live", "model", "rules", "store"},
}
# The face of the engine: above every room, each of the later above the earlier.
for face in (
    "member_values",
    "members",
    "stored_members",
    "audience",
    "question_forms",
    "name_groups",
    "measures",
    "profile_cards",
    "cards_then",
    "explanations",
    "actions",
    "foresight",
    "overlap",
    "waterfall",
    "binders",
    "tier_refreshes",
    "tier_flows",
    "what_if",
    "model_edits",
    "frozen_audiences",
    "uploaded_lists",
    "database_parts",
    "database",
):
    INNER[face] = set(INNER)

# The table of kernels knows containers alone, so rooms below core may run its loops too.
KERNEL_TABLE = {"engine.core.kernels"}
RUN_KERNELS = {"events"}

CYTHON_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+c?import\b|c?import[ \t]+([\w.]+))", re.M
)
INCLUDE = re.compile(r'(?:^#include[ \t]+|cdef extern from[ \t]+)"([^"]+)"', re.M)


def python_imports(text: str, module: str, is_package: bool) -> Iterator[tuple[int, str, bool]]:
    """(line, imported module, whether at module level) of every import in Python text."""
    tree = ast.parse(text)
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        at_top = id(node) not in inside
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, at_top
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            # `from engine import errors` imports engine.errors as much as the package.
            for alias in node.names:
                yield node.lineno, f"{source}.{alias.name}", at_top


def native_imports(text: str) -> Iterator[tuple[int, str, bool]]:
    """The same for Cython and C; an included header counts as its module."""
    for match in CYTHON_IMPORT.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1] or match[2], True
    for match in INCLUDE.finditer(text):
        if match[1].startswith(ROOMS):
            name = match[1].removesuffix(".h").replace("/", ".")
            yield text.count("\n", 0, match.start()) + 1, name, True


def belongs(name: str, to: set[str]) -> bool:
    """Whether the dotted name is one of the names or lies below one."""
    parts = name.split(".")
    return any(".".join(parts[:count]) in to for count in range(1, len(parts) + 1))


def inner_fault(module: str, imported: str) -> str | None:
    """Why one module of the engine may not import another, or None when it may."""
    home, target = module.split(".")[1:2], imported.split(".")[1:2]
    if module in REFERENCE:
        allowed = belongs(imported, {"engine.rules.tree", *REFERENCE})
        return None if allowed else "the reference reads only the tree"
    if module in SHARED:
        allowed = belongs(imported, SHARED)
    elif not home or not target:
        allowed = False
    else:
        allowed = home == target or target[0] in INNER[home[0]] or belongs(imported, SHARED)
        allowed |= home[0] in RUN_KERNELS and imported in KERNEL_TABLE
    return None if allowed else f"engine/{home[0] if home else ''} may not import it"


def fault(module: str, imported: str, at_top: bool) -> str | None:
    """Why `module` may not import `imported`, or None when it may."""
    room, target = module.split(".")[0], imported.split(".")[0]
    if target in sys.stdlib_module_names or target in {"cython", "cpython", "libc", "posix"}:
        return None
    if room == "strata" and target == "strata":
        return strata_fault(module, imported, at_top)
    if room == "bench" or (target == room and room != "engine"):
        return None
    if target == "engine" and room == "engine":
        return inner_fault(module, imported)
    part = "strata.cli" if belongs(module, COMMAND_LINE) else room
    rooms, packages = OUTER[part]
    if target not in ROOMS:
        return None if target in packages else f"{part} does without {target}"
    if not belongs(imported, rooms) or (room != "strata" and belongs(imported, {"strata.cli"})):
        return f"{part} may not import it"
    if part == "strata.cli" and at_top and module != EMBEDDED:
        return "the command line imports it only where a function needs it"
    return None


def strata_fault(module: str, imported: str, at_top: bool) -> str | None:
    """Why one module of strata may not import another, or None when it may."""
    if belongs(imported, {"strata.cli"}) and not belongs(module, COMMAND_LINE):
        return "only the command line knows the command line"
    if belongs(imported, {EMBEDDED}) and at_top:
        return "it brings the engine; import it only where a function needs it"
    return None


def module_name(path: Path) -> str:
    """engine/rules/tree.py -> engine.rules.tree; a package is its folder."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def faults_of(path: Path, text: str) -> list[str]:
    """Every import of the file that runs against an arrow."""
    module = module_name(path)
    if path.suffix in {".py", ".pyi"}:
        imports = python_imports(text, module, path.stem == "__init__")
    else:
        imports = native_imports(text)
    found = ((line, name, fault(module, name, at_top)) for line, name, at_top in imports)
    return [f"{path}:{line}: {name}: {reason}" for line, name, reason in found if reason]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("engine/rules/bind.py", "from engine.store.store import Store"),
        ("engine/rules/bind.py", "def f():\n    from ..store import store"),
        ("engine/rules/reference.py", "from engine.model.definitions import Model"),
        ("engine/rules/reference_events.py", "from engine.rules.windows import check_window"),
        ("engine/model/load.py", "import pyarrow"),
        ("engine/bitmaps/containers.pyx", "from engine.columns.hashing cimport xxh64"),
        ("engine/bitmaps/containers.pyx", 'cdef extern from "engine/core/kernels.h" nogil:'),
        ("engine/bitmaps/kernels.h", '#include "engine/core/kernels.h"'),
        ("engine/columns/patch.h", '#include "engine/core/kernels.h"'),
        ("engine/events/picks.h", '#include "engine/core/masks.h"'),
        ("engine/events/encode.py", "from engine.store.records import Record"),
        ("engine/columns/check.py", "from engine.events import check"),
        ("engine/errors.py", "from engine.model import load"),
        ("engine/database.py", "import server"),
        ("loaders/csv.py", "from strata.client import Client"),
        ("server/calls.py", "from strata.client import Client"),
        ("server/ingest.py", "from loaders.cells import Cells"),
        ("conversion/texts.py", "import duckdb"),
        ("delivery/sending.py", "from engine.database import Database"),
        ("delivery/sending.py", "from strata.cli import show"),
        ("strata/client.py", "import httpx"),
        ("strata/client.py", "import numpy as np"),
        ("strata/client.py", "from engine.errors import NotFound"),
        ("strata/cli/count.py", "from engine.database import Database"),
        ("strata/client.py", "from strata.cli import main"),
        ("strata/cli/count.py", "from strata.cli import embedded"),
    ],
)
def test_a_wrong_arrow_is_seen(path: str, text: str) -> None:
    assert faults_of(Path(path), text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("engine/rules/bind.py", "from engine.errors import Issue\nfrom . import tree"),
        ("engine/core/run.pyx", "from libc.stdint cimport uint64_t\ncimport numpy as cnp"),
        ("engine/core/kernels.h", '#include "engine/bitmaps/layout.h"\n#include <stdint.h>'),
        ("engine/events/picks.h", '#include "engine/core/kernels.h"'),
        ("engine/core/leaves.h", '#include "engine/events/picks.h"'),
        ("strata/cli/count.py", "def f():\n    from engine.database import Database"),
        ("strata/cli/embedded.py", "from engine.database import Database"),
        ("strata/cli/count.py", "def f():\n    from strata.cli import embedded"),
        ("strata/__main__.py", "from strata.cli.main import main"),
        ("server/calls.py", "from strata.v1 import audience_pb2"),
    ],
)
def test_a_right_arrow_is_let_through(path: str, text: str) -> None:
    assert faults_of(Path(path), text) == []


def test_imports_run_one_way() -> None:
    files = source_files(".py", ".pyi", ".pyx", ".pxd", ".pxi", ".h", under=ROOMS)
    assert files
    faults = [line for path in files for line in faults_of(path, (ROOT / path).read_text())]
    assert not faults, "\n".join(faults)
