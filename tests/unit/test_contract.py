"""The wire contract keeps its own style: names, and a comment on everything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from server.authorization import ROLES
from strata.v1 import (
    admin_pb2,
    audience_pb2,
    coming_pb2,
    error_pb2,
    explain_pb2,
    expression_pb2,
    frozen_pb2,
    ingest_pb2,
    list_pb2,
    measure_pb2,
    model_pb2,
    overlap_pb2,
    profile_pb2,
    tier_pb2,
    value_pb2,
    watch_pb2,
)

FOLDER = Path(__file__).parents[2] / "proto" / "strata" / "v1"
FILES: list[FileDescriptor] = [
    module.DESCRIPTOR
    for module in (
        admin_pb2,
        audience_pb2,
        coming_pb2,
        error_pb2,
        explain_pb2,
        expression_pb2,
        frozen_pb2,
        ingest_pb2,
        list_pb2,
        measure_pb2,
        model_pb2,
        overlap_pb2,
        profile_pb2,
        tier_pb2,
        value_pb2,
        watch_pb2,
    )
]
# What a comment must stand above.
NAMED = re.compile(r"^\s*(message|enum|service|rpc|\w[\w.<>, ]* \w+ = \d+)\b")
LINES = [(path.name, path.read_text().split("\n")) for path in sorted(FOLDER.glob("*.proto"))]


def test_every_file_is_looked_at() -> None:
    assert {f"strata/v1/{name}" for name, _ in LINES} == {file.name for file in FILES}
    assert {file.package for file in FILES} == {"strata.v1"}


def _methods() -> Iterator[tuple[str, str, str, str]]:
    for file in FILES:
        for service in file.services_by_name.values():
            for method in service.methods:
                path = f"/{service.full_name}/{method.name}"
                yield path, method.name, method.input_type.name, method.output_type.name


def test_requests_and_responses_belong_to_one_call() -> None:
    seen: set[str] = set()
    for path, name, request, response in _methods():
        assert (request, response) == (f"{name}Request", f"{name}Response"), path
        assert not {request, response} & seen, path
        seen |= {request, response}


def test_every_call_has_a_role() -> None:
    ours = {path for path, *_ in _methods()}
    assert ours == {path for path in ROLES if path.startswith("/strata.")}
    assert health_pb2.DESCRIPTOR and reflection_pb2.DESCRIPTOR
    for path in set(ROLES) - ours:
        service = descriptor_pool.Default().FindServiceByName(path.split("/")[1])
        assert path.split("/")[2] in service.methods_by_name


def test_services_and_enums_are_named_as_usual() -> None:
    for file in FILES:
        assert len(file.services_by_name) <= 1, file.name
        assert all(name.endswith("Service") for name in file.services_by_name)
        for enum in file.enum_types_by_name.values():
            prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.name).upper()
            assert enum.values_by_number[0].name == f"{prefix}_UNSPECIFIED"
            assert all(value.name.startswith(f"{prefix}_") for value in enum.values)
        for message in file.message_types_by_name.values():
            assert all(re.fullmatch(r"[a-z][a-z0-9_]*", field.name) for field in message.fields)


@pytest.mark.parametrize(("name", "lines"), LINES, ids=[name for name, _ in LINES])
def test_everything_has_a_comment(name: str, lines: list[str]) -> None:
    bare = [
        f"{name}:{number + 1}: {line.strip()}"
        for number, line in enumerate(lines)
        if NAMED.match(line)
        and not line.lstrip().startswith("//")
        and not lines[number - 1].lstrip().startswith("//")
    ]
    assert not bare
