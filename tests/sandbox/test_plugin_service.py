"""The stand-in provider as the engine starts it: a program of that name on PATH, its port on stdout, gRPC behind it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

from dev.sandbox import Sandbox
from dev.sandbox.plugin import VERSION
from dev.sandbox.plugin.values import pack, unpack
from tests.waiting import until

PLUGIN = Path(__file__).resolve().parents[2] / "dev" / "sandbox" / "plugin" / "bin" / "pulumi-resource-aws"
URN = "urn:pulumi:dev::p::my:component$aws:rds/{0}:{1}::x"
CALLER = "AKIASANDBOXENGINE"
INSTANCE = URN.format("instance", "Instance")


@pytest.fixture
def process(tmp_path: Path, sandbox: Sandbox) -> Iterator[subprocess.Popen[str]]:
    """A plugin process, started elsewhere through a link, as from the engine's plugin cache."""
    link = tmp_path / "pulumi-resource-aws"
    link.symlink_to(PLUGIN)
    started = subprocess.Popen(
        [str(link), "127.0.0.1:1"],
        cwd=tmp_path,
        env={**sandbox.environment(), "AWS_ACCESS_KEY_ID": CALLER},
        stdout=subprocess.PIPE,
        text=True,
    )
    with started:
        yield started
        started.kill()


@pytest.fixture
def provider(process: subprocess.Popen[str]) -> Iterator[Any]:
    """What that process offers to the engine."""
    assert process.stdout is not None
    with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
        yield ResourceProviderStub(channel)


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


IDENTITY = provider_pb2.InvokeRequest(tok="aws:index/getCallerIdentity:getCallerIdentity")


def calls(sandbox: Sandbox) -> int:
    """How often AWS was called with the engine's credentials."""
    return sum(call["caller"] == CALLER for call in sandbox.calls())


def asked_while_asleep(provider: Any, process: subprocess.Popen[str], times: int = 1) -> list[Any]:
    """Stop the process, ask this many times, and require that no answer comes."""
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    answers = [provider.Invoke.future(IDENTITY) for _ in range(times)]
    with pytest.raises(grpc.FutureTimeoutError):
        answers[0].result(0.5)
    return answers


def test_the_engines_environment_is_the_providers(provider: Any, sandbox: Sandbox) -> None:
    configure(provider)
    before = calls(sandbox)
    provider.Invoke(IDENTITY)
    assert calls(sandbox) == before + 1


def test_where_the_engine_is_asleep_so_is_the_provider(
    provider: Any, process: subprocess.Popen[str], sandbox: Sandbox
) -> None:
    configure(provider)
    before = calls(sandbox)
    (answer,) = asked_while_asleep(provider, process)
    assert calls(sandbox) == before
    process.send_signal(signal.SIGCONT)
    answer.result(10)
    assert calls(sandbox) == before + 1


def test_where_the_engine_is_killed_the_provider_calls_nobody_any_more(
    provider: Any, process: subprocess.Popen[str], sandbox: Sandbox
) -> None:
    configure(provider)
    before = calls(sandbox)
    answers = asked_while_asleep(provider, process, times=2)
    process.kill()
    for answer in answers:
        with pytest.raises(grpc.RpcError):
            answer.result(10)
    time.sleep(0.5)
    assert calls(sandbox) == before


def test_it_ends_with_the_engine(tmp_path: Path, sandbox: Sandbox) -> None:
    engine = subprocess.Popen(
        ["sh", "-c", f"{PLUGIN} 127.0.0.1:1 & wait"],
        env=sandbox.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert engine.stdout is not None
    with grpc.insecure_channel(f"127.0.0.1:{int(engine.stdout.readline())}") as channel:
        stub = ResourceProviderStub(channel)
        stub.GetPluginInfo(empty_pb2.Empty())
        engine.kill()
        assert engine.stdout.read() == "", "nobody holds the pipe any more"
        until(lambda: answers(stub), lambda answered: not answered)
    engine.wait()


def answers(stub: Any) -> bool:
    try:
        stub.GetPluginInfo(empty_pb2.Empty())
    except grpc.RpcError:
        return False
    return True


def test_without_a_sandbox_it_says_what_to_do(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [str(PLUGIN), "127.0.0.1:1"], env={"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "make sandbox" in done.stderr
