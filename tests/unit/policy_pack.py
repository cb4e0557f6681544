"""The policy pack as the engine sees it: a process of its own that is asked over gRPC."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from tests.unit.policy_packages import packages

__all__ = ["Pack", "running"]

PACK = Path(__file__).resolve().parents[2] / "examples" / "policy-pack"


class Pack:
    """A running pack; each question returns what it reported, as ``policy: message``."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._analyzer = analyzer_pb2_grpc.AnalyzerStub(channel)

    def names(self) -> set[str]:
        return {policy.name for policy in self._analyzer.GetAnalyzerInfo(empty_pb2.Empty()).policies}

    def configure(self, **settings: Mapping[str, Any]) -> None:
        request = analyzer_pb2.ConfigureAnalyzerRequest()
        for policy, values in settings.items():
            config = request.policyConfig[policy.replace("_", "-")]
            config.properties.CopyFrom(_struct(values))
        self._analyzer.Configure(request)

    def resource(self, kind: str, **props: Any) -> set[str]:
        request = analyzer_pb2.AnalyzeRequest(
            type=kind, urn=_urn(kind, "it"), name="it", properties=_struct(props)
        )
        return {_formatted(diagnostic) for diagnostic in self._analyzer.Analyze(request).diagnostics}

    def stack(self, *resources: tuple[str, str, dict[str, Any]]) -> set[str]:
        request = analyzer_pb2.AnalyzeStackRequest(
            resources=[
                analyzer_pb2.AnalyzerResource(
                    type=kind, urn=_urn(kind, name), name=name, properties=_struct(props)
                )
                for kind, name, props in resources
            ]
        )
        return {_formatted(diagnostic) for diagnostic in self._analyzer.AnalyzeStack(request).diagnostics}


@contextmanager
def running() -> Iterator[Pack]:
    """Start the pack for the length of a ``with`` block."""
    environment = {**os.environ, "PYTHONPATH": str(packages())}
    command = [sys.executable, "-u", str(PACK), "127.0.0.1:1"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield Pack(channel)
        finally:
            process.kill()


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(values), struct_pb2.Struct())


def _urn(kind: str, name: str) -> str:
    return f"urn:pulumi:dev::rds-encrypt::{kind}::{name}"


def _formatted(diagnostic: Any) -> str:
    return f"{diagnostic.policyName}: {diagnostic.message}"
