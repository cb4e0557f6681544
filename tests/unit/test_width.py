"""The dynamic provider's own host, as the engine starts it, asked for many steps at the same time."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dill
import grpc
import pytest
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from providers.width import WIDTH
from tests.unit.meeting import Meeting

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def host() -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    command = [sys.executable, "-u", "-m", "pulumi.dynamic", "127.0.0.1:1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield provider_pb2_grpc.ResourceProviderStub(channel)
        finally:
            process.kill()


def properties(**values: Any) -> Any:
    by_reference = base64.b64encode(dill.dumps(Meeting())).decode()
    return asyncio.run(rpc.serialize_properties({"__provider": by_reference, **values}, {}))


def test_a_worker_serves_as_many_steps_at_a_time_as_it_says(
    host: provider_pb2_grpc.ResourceProviderStub,
) -> None:
    def meet(number: int) -> str:
        asked = provider_pb2.CreateRequest(properties=properties(number=number, of=WIDTH))
        return str(host.Create(asked, timeout=60).id)

    meet_alone = provider_pb2.CreateRequest(properties=properties(number=0, of=1))
    assert host.Create(meet_alone, timeout=60).id == "0"
    with ThreadPoolExecutor(WIDTH) as pool:
        assert sorted(pool.map(meet, range(WIDTH)), key=int) == [str(number) for number in range(WIDTH)]
