"""The engine's ResourceProvider protocol, over the registry of resources and functions."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime import proto
from pulumi.runtime.proto import provider_pb2, status_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer

from dev.sandbox.plugin import VERSION, waits
from dev.sandbox.plugin.aws import Connections, Settings
from dev.sandbox.plugin.errors import PartialFailure, ProviderError
from dev.sandbox.plugin.invokes import invoke
from dev.sandbox.plugin.resources import RESOURCES, Change, Operation, Resource
from dev.sandbox.plugin.values import Properties, pack, unpack

__all__ = ["Provider"]

_log = logging.getLogger(__name__)

_KINDS = {
    ("add", False): provider_pb2.PropertyDiff.ADD,
    ("add", True): provider_pb2.PropertyDiff.ADD_REPLACE,
    ("delete", False): provider_pb2.PropertyDiff.DELETE,
    ("delete", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    ("update", False): provider_pb2.PropertyDiff.UPDATE,
    ("update", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}

_Answer = TypeVar("_Answer")


def _answering(method: Callable[[Provider, Any, Any], _Answer]) -> Callable[[Provider, Any, Any], _Answer]:
    """Turn errors into gRPC statuses: one sentence for expected ones, and the log for the traceback of others."""

    @wraps(method)
    def wrapper(self: Provider, request: Any, context: Any) -> _Answer:
        try:
            return method(self, request, context)
        except PartialFailure as failure:
            details = provider_pb2.ErrorResourceInitFailed(
                id=failure.identity, properties=pack(failure.state), reasons=[str(failure)]
            )
            _abort(context, str(failure), details)
        except ProviderError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except Exception as error:  # noqa: BLE001  # The engine must get an answer, whatever broke.
            _log.exception("%s failed", method.__name__)
            context.abort(grpc.StatusCode.INTERNAL, f"the stand-in for pulumi-resource-aws broke: {error!r}")
        raise AssertionError("abort returned")

    return wrapper


def _abort(context: Any, message: str, details: Any) -> None:
    """Abort with details, which gRPC carries in a status message of its own."""
    packed = any_pb2.Any()
    packed.Pack(details)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message, details=[packed])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, message)


class Provider(ResourceProviderServicer):
    """One configured provider: an engine has one of its own.

    Args:
        environment: the engine's, which holds credentials, region and endpoint.
        require_running: called before each call to AWS; raises when the engine has ended the provider.
    """

    def __init__(self, environment: Mapping[str, str], require_running: Callable[[], None]) -> None:
        self._environment = environment
        self._require_running = require_running
        self._connections: Connections | None = None
        self._cancelled = threading.Event()

    # --- the provider itself -------------------------------------------------------------------------------------------

    def Handshake(self, request: Any, context: Any) -> Any:
        """Say what we understand: the engine keeps secrets, resources and outputs out of what it sends."""
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        """Claim the version that we stand in for, since pulumi-aws's classes ask for it."""
        return proto.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:
        """Give an empty schema: programs come with the SDK's."""
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": "aws", "version": VERSION}))

    def Attach(self, request: Any, context: Any) -> Any:
        """Accept to be debugged."""
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: Any) -> Any:
        """Take the configuration as it is; it is read when the engine configures us."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        """Never replace a provider for its settings."""
        changed = unpack(request.olds) != unpack(request.news)
        changes = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes)

    @_answering
    def Configure(self, request: Any, context: Any) -> Any:
        """Read the settings and ask AWS who we are."""
        variables = {name.rpartition(":")[2]: value for name, value in request.variables.items()}
        settings = Settings.parse({**variables, **unpack(request.args)}, self._environment)
        connections = Connections(settings, self._environment, self._require_running)
        connections.verify()
        self._connections = connections
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def end(self) -> None:
        """End all waits and connections: the engine has ended us."""
        self._cancelled.set()
        if self._connections is not None:
            self._connections.close()

    def Cancel(self, request: Any, context: Any) -> Any:
        """End all waits."""
        self._cancelled.set()
        return empty_pb2.Empty()

    # --- functions -----------------------------------------------------------------------------------------------------

    @_answering
    def Invoke(self, request: Any, context: Any) -> Any:
        """Run a function."""
        result = invoke(self._operation(), request.tok, unpack(request.args))
        answer = provider_pb2.InvokeResponse()
        # The field's name is a keyword.
        getattr(answer, "return").CopyFrom(pack(result))
        return answer

    # --- resources -----------------------------------------------------------------------------------------------------

    @_answering
    def Check(self, request: Any, context: Any) -> Any:
        """Validate a program's inputs."""
        resource, name = _resource(request.urn)
        inputs, failures = resource.check(
            name, unpack(request.news), unpack(request.olds), request.randomSeed
        )
        return provider_pb2.CheckResponse(
            inputs=pack(inputs),
            failures=[
                provider_pb2.CheckFailure(property=failure.name, reason=failure.reason)
                for failure in failures
            ],
        )

    @_answering
    def Diff(self, request: Any, context: Any) -> Any:
        """Compare a program's inputs with the state."""
        resource, _ = _resource(request.urn)
        state, inputs = unpack(request.olds), unpack(request.news)
        changes = resource.diff(self._operation(), state, inputs, _ignored(request))
        some = provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some,
            diffs=[change.name for change in changes],
            replaces=[change.name for change in changes if change.replace],
            detailedDiff={change.name: _detail(change) for change in changes},
            hasDetailedDiff=True,
            deleteBeforeReplace=_keeps_name(resource, state, inputs),
        )

    @_answering
    def Create(self, request: Any, context: Any) -> Any:
        """Make a thing, or foretell it."""
        resource, _ = _resource(request.urn)
        operation, inputs = self._operation(request.timeout), unpack(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(id="", properties=pack(resource.plan(operation, inputs)))
        identity, state = resource.create(operation, inputs)
        return provider_pb2.CreateResponse(id=identity, properties=pack(state))

    @_answering
    def Read(self, request: Any, context: Any) -> Any:
        """Look at a thing; an empty answer says that it is gone."""
        resource, _ = _resource(request.urn)
        before = unpack(request.properties)
        result = resource.read(self._operation(), request.id, before)
        if result is None:
            return provider_pb2.ReadResponse(id="")
        identity, state = result
        # With a state it is a refresh, and today's values of the inputs that there were are wanted; else an import.
        inputs = (
            resource.inputs_of(state, unpack(request.inputs)) if before else resource.all_inputs_of(state)
        )
        return provider_pb2.ReadResponse(id=identity, properties=pack(state), inputs=pack(inputs))

    @_answering
    def Update(self, request: Any, context: Any) -> Any:
        """Change a thing in place, or foretell it."""
        resource, _ = _resource(request.urn)
        operation, state, inputs = (
            self._operation(request.timeout),
            unpack(request.olds),
            unpack(request.news),
        )
        if request.preview:
            return provider_pb2.UpdateResponse(properties=pack(resource.plan(operation, inputs, state)))
        _require_timeout(resource, "update", request.timeout)
        ignored = _ignored(request)
        updated = resource.update(operation, request.id, state, inputs, ignored)
        return provider_pb2.UpdateResponse(properties=pack(updated))

    @_answering
    def Delete(self, request: Any, context: Any) -> Any:
        """Delete a thing."""
        resource, _ = _resource(request.urn)
        _require_timeout(resource, "delete", request.timeout)
        resource.delete(self._operation(request.timeout), request.id, unpack(request.properties))
        return empty_pb2.Empty()

    def _operation(self, timeout: float = 0) -> Operation:
        if self._connections is None:
            raise ProviderError("the provider is not configured")
        waiter = waits.Waiter(self._cancelled, waits.scale(self._environment))
        return Operation(self._connections, waiter, timeout or None)


def _resource(urn: str) -> tuple[Resource, str]:
    """Find the resource type that a URN names, and the resource's name."""
    _, _, qualified, name = urn.split("::", 3)
    token = qualified.rpartition("$")[2]
    try:
        return RESOURCES[token], name
    except KeyError:
        known = ", ".join(sorted(RESOURCES))
        raise ProviderError(
            f"the stand-in for pulumi-resource-aws has no resource '{token}': it knows {known}"
        ) from None


def _require_timeout(resource: Resource, operation: str, timeout: float) -> None:
    """Say what the real provider's users read when they give it a timeout that it has no use for."""
    if timeout and operation not in resource.timeouts:
        _log.warning("%s has no timeout for %s: %.0f s are ignored", resource.token, operation, timeout)


def _ignored(request: Any) -> list[str]:
    """Give the top-level properties whose changes are to be ignored."""
    return [path.partition(".")[0].partition("[")[0] for path in request.ignoreChanges]


def _detail(change: Change) -> Any:
    return provider_pb2.PropertyDiff(kind=_KINDS[change.kind, change.replace])


def _keeps_name(resource: Resource, state: Mapping[str, Any], inputs: Properties) -> bool:
    """Tell whether a replacement would bear the name of what it replaces, which then has to go first."""
    return resource.named_by is not None and state.get(resource.named_by) == inputs.get(resource.named_by)
