"""Health and reflection, asked by the clients that others use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from server.assembly import Server
from server.authorization import ROLES
from server.health import Health
from server.settings import ServerSettings
from tests.wire.fake_database import FakeDatabase

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def test_health_of_all_and_of_each(
    serve: Callable[..., str], connect: Callable[[str], grpc.Channel]
) -> None:
    stub = health_pb2_grpc.HealthStub(connect(serve(FakeDatabase())))
    for name in ("", "strata.v1.AudienceService", "strata.v1.ModelService"):
        assert stub.Check(health_pb2.HealthCheckRequest(service=name)).status == SERVING
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="nobody"), timeout=30)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()


async def test_health_follows_the_state_of_the_server() -> None:
    """A watcher sees NOT_SERVING before the server goes, and calls under way may end."""
    settings = ServerSettings(store=Path("unused"), listen="127.0.0.1:0", drain_s=30)
    server = Server(FakeDatabase(), settings)
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        stopping = asyncio.create_task(server.stop())
        assert (await watch.read()).status == NOT_SERVING
        assert await watch.read() is grpc.aio.EOF
        await stopping


async def test_a_watcher_hears_of_the_end_that_came_while_it_was_told_something_else() -> None:
    health = Health([])
    await health.serve()
    watch = health.watch(health_pb2.HealthCheckRequest(), Mock())
    assert (await anext(watch)).status == SERVING
    await health.drain()
    assert [message.status async for message in watch] == [NOT_SERVING]


def test_reflection_shows_every_service_and_message(
    serve: Callable[..., str], connect: Callable[[str], grpc.Channel]
) -> None:
    database = ProtoReflectionDescriptorDatabase(connect(serve(FakeDatabase())))
    services = set(database.get_services())
    assert services == {path.split("/")[1] for path in ROLES}
    pool = DescriptorPool(database)
    audience = pool.FindServiceByName("strata.v1.AudienceService")
    assert {method.name for method in audience.methods} == {
        "Count",
        "CountMany",
        "CompareAudiences",
        "Distribution",
        "Flow",
        "Funnel",
        "Overlap",
        "Summarize",
        "Waterfall",
        "ListMembers",
        "NextChanges",
        "Explain",
        "Format",
    }
    assert "as_of" in pool.FindMessageTypeByName("strata.v1.CountRequest").fields_by_name
