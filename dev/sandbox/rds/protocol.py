"""AWS's query protocol for RDS, driven by botocore's service model through moto's parser and serialiser."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.core.parse import QueryParser, RequestDict
from moto.core.serialize import QuerySerializer, SerializationContext
from moto.core.utils import get_service_model
from werkzeug.datastructures import Headers, MultiDict

from dev.sandbox.rds.errors import RDSError

__all__ = ["Answer", "Call", "failure", "parse", "success", "unknown_action"]

_SERVICE = get_service_model("rds")
_OPERATIONS = frozenset(_SERVICE.operation_names)
# Any operation does: an error that precedes the action's name needs one to be serialised with.
_FALLBACK = "DescribeDBInstances"


@dataclass(frozen=True)
class Call:
    """One request: the action and its parameters, typed as the model says."""

    action: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """One response, ready to be sent."""

    status: int
    body: bytes
    request_id: str
    error_code: str | None = None
    content_type: str = "text/xml"


def parse(form: Mapping[str, str]) -> Call:
    """Turn the form of a request into a call; what the model requires must be there."""
    action = form.get("Action", "")
    if action not in _OPERATIONS:
        raise unknown_action(action)
    operation = _SERVICE.operation_model(action)
    request = RequestDict(
        body="", headers=Headers(), method="POST", url_params={}, url_path="/", values=MultiDict(form)
    )
    try:
        parameters = dict(QueryParser(operation).parse(request))
    except ValueError as error:
        raise RDSError("MalformedInput", f"A parameter of {action} has the wrong type: {error}.") from error
    required = operation.input_shape.required_members if operation.input_shape is not None else []
    for name in required:
        if name not in parameters:
            raise RDSError("MissingParameter", f"The request must contain the parameter {name}.")
    return Call(action, parameters)


def unknown_action(action: str) -> RDSError:
    return RDSError("InvalidAction", f"Could not find operation {action or '(none)'} for version 2014-10-31")


def success(action: str, result: Mapping[str, Any]) -> Answer:
    request_id = str(uuid.uuid4())
    response = _serializer(action, request_id).serialize(dict(result))
    return Answer(int(response["status_code"]), _bytes(response["body"]), request_id)


def failure(action: str, error: RDSError) -> Answer:
    request_id = str(uuid.uuid4())
    with warnings.catch_warnings():
        # The model lists no common errors (Throttling, InvalidAction), and moto warns of each.
        warnings.simplefilter("ignore")
        response = _serializer(action, request_id).serialize(error)
    return Answer(int(response["status_code"]), _bytes(response["body"]), request_id, error.code)


def _serializer(action: str, request_id: str) -> QuerySerializer:
    operation = _SERVICE.operation_model(action if action in _OPERATIONS else _FALLBACK)
    return QuerySerializer(operation, context=SerializationContext(request_id))


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body
