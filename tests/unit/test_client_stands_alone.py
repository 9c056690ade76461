"""The client imports grpcio and protobuf, and nothing of the engine or the server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
import strata.client, strata.answers, strata.errors
from strata.v1 import audience_pb2, model_pb2
tops = {name.partition(".")[0] for name in sys.modules}
print(sorted(tops & {"conversion", "engine", "server", "loaders", "numpy", "lmdb", "lark",
                     "typer", "rich", "grpc_status", "pydantic", "structlog", "uvloop"}))
print("google.rpc" in sys.modules)
"""


def test_the_client_needs_no_engine() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:2] == ["[]", "False"]
