"""The stand-in provider as the engine starts it: a program of that name on PATH, its port on stdout, gRPC behind it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

from dev.sandbox.plugin import VERSION
from dev.sandbox.plugin.values import pack, unpack

PLUGIN = Path(__file__).resolve().parents[2] / "dev" / "sandbox" / "plugin" / "bin" / "pulumi-resource-aws"
URN = "urn:pulumi:dev::p::my:component$aws:rds/{0}:{1}::x"
INSTANCE = URN.format("instance", "Instance")


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Any]:
    """A plugin process, started elsewhere through a link, as from the engine's plugin cache."""
    link = tmp_path / "pulumi-resource-aws"
    link.symlink_to(PLUGIN)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.Popen(
        [str(link), "127.0.0.1:1"],
        cwd=tmp_path,
        env={"PATH": path, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process, grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
        yield ResourceProviderStub(channel)
        process.terminate()


def configure(provider: Any) -> None:
    settings = {"skipCredentialsValidation": "true", "skipRequestingAccountId": "true"}
    answer = provider.Configure(provider_pb2.ConfigureRequest(args=pack(settings)))
    assert answer.supportsPreview
    assert not answer.acceptSecrets


def test_it_claims_the_version_that_it_stands_in_for(provider: Any) -> None:
    assert provider.GetPluginInfo(empty_pb2.Empty()).version == VERSION
    assert not provider.Handshake(provider_pb2.ProviderHandshakeRequest()).accept_secrets


def test_a_replacement_of_the_same_name_has_to_delete_first(provider: Any) -> None:
    configure(provider)
    request = provider_pb2.DiffRequest(
        urn=INSTANCE,
        olds=pack({"identifier": "x", "instanceClass": "c", "storageEncrypted": True}),
        news=pack({"identifier": "x", "instanceClass": "c"}),
    )
    answer = provider.Diff(request)
    assert answer.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert list(answer.replaces) == ["storageEncrypted"]
    assert answer.detailedDiff["storageEncrypted"].kind == provider_pb2.PropertyDiff.DELETE_REPLACE
    assert answer.deleteBeforeReplace
    request.ignoreChanges.append("storageEncrypted")
    assert provider.Diff(request).changes == provider_pb2.DiffResponse.DIFF_NONE


def test_a_preview_calls_nobody(provider: Any) -> None:
    configure(provider)
    inputs = pack({"identifier": "x", "instanceClass": "c", "tags": {"a": "b"}})
    answer = provider.Create(provider_pb2.CreateRequest(urn=INSTANCE, properties=inputs, preview=True))
    assert unpack(answer.properties)["tagsAll"] == {"a": "b"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            ("Check", provider_pb2.CheckRequest(urn=URN.format("cluster", "Cluster"))),
            "has no resource 'aws:rds/cluster",
        ),
        (
            ("Invoke", provider_pb2.InvokeRequest(tok="aws:s3/getBucket:getBucket")),
            "has no function 'aws:s3/getBucket",
        ),
        (
            ("Invoke", provider_pb2.InvokeRequest(tok="aws:kms/getKey:getKey", args=pack({"alias": "x"}))),
            "An unexpected argument 'alias'",
        ),
    ],
    ids=["resource", "function", "argument"],
)
def test_what_it_does_not_know_it_says_in_one_sentence(
    provider: Any, call: tuple[str, Any], message: str
) -> None:
    configure(provider)
    name, request = call
    with pytest.raises(grpc.RpcError) as caught:
        getattr(provider, name)(request)
    assert message in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_nothing_is_done_unconfigured(provider: Any) -> None:
    with pytest.raises(grpc.RpcError, match="the provider is not configured"):
        provider.Delete(provider_pb2.DeleteRequest(urn=INSTANCE, id="db-X"))
