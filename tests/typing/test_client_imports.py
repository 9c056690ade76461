"""The client imports with gRPC and protobuf alone, of both generations that are supported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import needs_package_index

ROOT = Path(__file__).resolve().parents[2]

# Imports all that a user of the client may import, with everything else out of reach.
IMPORT_ALL = """
import sys

class Refuse:
    names = {refused!r}

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ImportError(f"the client reached for {{name}}")

sys.meta_path.insert(0, Refuse())

import importlib, pkgutil
import strata, strata.client, strata.v1

stubs = [module.name for module in pkgutil.iter_modules(strata.v1.__path__)]
assert stubs, "no stubs; run make stubs"
messages = 0
for stub in stubs:
    module = importlib.import_module(f"strata.v1.{{stub}}")
    declared = getattr(module, "DESCRIPTOR", None)  # the *_pb2_grpc have none
    for name in declared.message_types_by_name if declared else ():
        message = getattr(module, name)
        assert message.FromString(message().SerializeToString()) == message()
        messages += 1
assert messages, "no messages in the stubs"

from google.protobuf import __version__
print(__version__)
"""
REFUSED = (
    "conversion",
    "delivery",
    "duckdb",
    "engine",
    "lark",
    "lmdb",
    "loaders",
    "numpy",
    "pyarrow",
    "rich",
    "server",
)

# The oldest that the stubs allow, and the newest generation.
RUNTIMES = {
    "6": ("protobuf==6.31.1", "grpcio==1.80.0", "grpcio-status==1.80.0"),
    "7": ("protobuf==7.36.2", "grpcio==1.85.1", "grpcio-status==1.85.1"),
}


def import_all(python: Path | str, refused: tuple[str, ...]) -> str:
    """The version of protobuf under which everything was imported, warnings as errors."""
    script = IMPORT_ALL.format(refused=set(refused))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [str(python), "-W", "error", "-c", script]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_the_client_reaches_for_nothing_of_the_engine() -> None:
    assert import_all(sys.executable, REFUSED)


def test_an_import_out_of_reach_is_seen() -> None:
    with pytest.raises(AssertionError, match="the client reached for"):
        import_all(sys.executable, (*REFUSED, "grpc"))


def test_the_command_line_starts_without_the_engine() -> None:
    script = "import strata.cli.commands, sys; print(*sys.modules)"
    command = [sys.executable, "-c", script]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    heavy = {
        "conversion",
        "delivery",
        "duckdb",
        "engine",
        "httpx",
        "lmdb",
        "loaders",
        "numpy",
        "pyarrow",
    }
    assert not heavy & set(loaded.split())


@pytest.mark.parametrize("generation", RUNTIMES)
def test_stubs_import_under_both_generations_of_protobuf(generation: str, tmp_path: Path) -> None:
    needs_package_index()
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv/bin/python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *RUNTIMES[generation]], check=True)
    version = import_all(python, REFUSED)
    assert version.split(".")[0] == generation
