"""The sandbox's one HTTP endpoint: RDS is ours, what else a request is signed for is moto's."""

from __future__ import annotations

import io
import json
import logging
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from dev.sandbox.control import Control
from dev.sandbox.faults import FAULTS_PATH, Fault, FaultBook
from dev.sandbox.plugin.serving import PLUGIN_PATH
from dev.sandbox.plugin.serving import serve as serve_plugin
from dev.sandbox.rds import identifiers, protocol
from dev.sandbox.rds.api import RDS
from dev.sandbox.rds.errors import RDSError
from dev.sandbox.recorder import Recorder

__all__ = ["ACCOUNT_ID", "Application", "serve_on"]

_log = logging.getLogger(__name__)

ACCOUNT_ID: str = DEFAULT_ACCOUNT_ID
_SCOPE = re.compile(r"Credential=(?P<caller>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_CONTROL = "/_sandbox/"


@dataclass(frozen=True)
class _Request:
    """What is read of a request before it is dispatched."""

    caller: str
    agent: str
    service: str
    region: str
    action: str
    parameters: dict[str, Any]
    body: bytes

    @property
    def speaks_json(self) -> bool:
        return self.body.lstrip().startswith(b"{")


@dataclass(frozen=True)
class _Response:
    status: int
    body: bytes
    content_type: str
    error_code: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Application:
    """Routes, injects faults, records."""

    def __init__(self, rds: RDS, faults: FaultBook, recorder: Recorder, control: Control) -> None:
        self._rds = rds
        self._faults = faults
        self._recorder = recorder
        self._control = control
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith(_CONTROL):
            return self._answer_control(environ, start_response)
        request = _read(environ)
        begun = time.monotonic()
        response = self._injected(request) or self._answer(request, environ)
        self._recorder.record(
            caller=request.caller,
            agent=request.agent,
            service=request.service,
            action=request.action,
            parameters=request.parameters,
            status=response.status,
            error_code=response.error_code,
            ms=(time.monotonic() - begun) * 1000,
        )
        return _send(response, start_response)

    def _answer(self, request: _Request, environ: dict[str, Any]) -> _Response:
        if request.service == "rds":
            answer = self._rds.answer(
                request.region, dict(parse_qsl(request.body.decode(), keep_blank_values=True))
            )
            headers = (("x-amzn-RequestId", answer.request_id),)
            return _Response(answer.status, answer.body, answer.content_type, answer.error_code, headers)
        return self._answer_by_moto(environ)

    def _answer_by_moto(self, environ: dict[str, Any]) -> _Response:
        response: dict[str, Any] = {}

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            response.update(status=int(status.split(maxsplit=1)[0]), headers=headers)

        body = b"".join(self._moto(environ, start))
        headers = {name.lower(): value for name, value in response["headers"]}
        kept = tuple(
            (n, v) for n, v in response["headers"] if n.lower() not in ("content-type", "content-length")
        )
        code = _error_code(body) if response["status"] >= 400 else None
        return _Response(response["status"], body, headers.get("content-type", "text/plain"), code, kept)

    def _injected(self, request: _Request) -> _Response | None:
        """Meet the faults that are waiting for this call; the last that ends it is the answer."""
        ended = None
        met = self._faults.take(
            request.service, request.action, lambda: self._subjects(request), request.parameters
        )
        for fault in met:
            if fault.kind == "slow":
                time.sleep(fault.ms / 1000)
            else:
                ended = _refusal(request, fault)
        return ended

    def _subjects(self, request: _Request) -> set[str]:
        """Return the name and the DbiResourceId of the instance that a call is about, if it is about one."""
        given = [request.parameters.get(name) for name in ("DBInstanceIdentifier", "ResourceName")]
        names = {identifiers.name_from_arn(str(value), "db").lower() for value in given if value}
        return names | self._rds.region(request.region).resource_ids(names)

    def _answer_control(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        try:
            if path == FAULTS_PATH and method == "POST":
                self._control.inject(json.loads(_body(environ)))
                result: Any = {"ok": True}
            elif path == FAULTS_PATH and method == "DELETE":
                self._control.clear()
                result = {"ok": True}
            elif path == FAULTS_PATH:
                result = self._faults.pending()
            elif path == PLUGIN_PATH and method == "POST":
                result = {"port": serve_plugin(**json.loads(_body(environ)))}
            elif path == "/_sandbox/status":
                result = self._control.status()
            else:
                raise LookupError(f"There is nothing at {method} {path}.")
        except (LookupError, TypeError, ValueError) as error:
            result = {"error": str(error)}
            return _send(_json(400, result), start_response)
        return _send(_json(200, result), start_response)


def _json(status: int, result: Any) -> _Response:
    return _Response(status, json.dumps(result).encode(), "application/json")


def _send(response: _Response, start_response: Any) -> Iterable[bytes]:
    headers = [("Content-Type", response.content_type), ("Content-Length", str(len(response.body)))]
    start_response(
        f"{response.status} {'OK' if response.status < 400 else 'Error'}", [*headers, *response.headers]
    )
    return [response.body]


def _body(environ: dict[str, Any]) -> bytes:
    if environ.get("wsgi.input_terminated"):
        content: bytes = environ["wsgi.input"].read()
    else:
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    # What is read once has to be there again for moto.
    environ["wsgi.input"] = io.BytesIO(content)
    environ["CONTENT_LENGTH"] = str(len(content))
    return content


def _read(environ: dict[str, Any]) -> _Request:
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    caller = scope["caller"] if scope else "nobody"
    service = scope["service"] if scope else "unsigned"
    region = scope["region"] if scope else "us-east-1"
    body = _body(environ)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    parameters: dict[str, Any] = {}
    if target or environ.get("CONTENT_TYPE", "").startswith("application/json"):
        try:
            parameters = dict(json.loads(body or b"{}"))
        except ValueError:
            _log.warning("A request to %s carries no JSON although it says so", service)
        action = target.rpartition(".")[2] or environ.get("PATH_INFO", "")
    else:
        form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
        text = body.decode(errors="replace") if form else environ.get("QUERY_STRING", "")
        parameters = dict(parse_qsl(text, keep_blank_values=True))
        route = f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '')}"
        action = str(parameters.pop("Action", route))
        parameters.pop("Version", None)
        if service == "rds":
            parameters = _typed(action, parameters)
    agent = environ.get("HTTP_USER_AGENT", "")
    return _Request(caller, agent, service, region, action, parameters, body)


def _typed(action: str, form: dict[str, Any]) -> dict[str, Any]:
    """Give the parameters of an RDS call the shape that its client wrote them in, if they make sense."""
    try:
        return protocol.parse({**form, "Action": action}).parameters
    except RDSError:
        return form


def _error_code(body: bytes) -> str | None:
    """Find the error's code in an answer of any of AWS's protocols."""
    match = re.search(rb"<Code>([^<]+)</Code>", body) or re.search(
        rb'"(?:__type|code)"\s*:\s*"(?:[^"]*#)?([^"]+)"', body
    )
    return match[1].decode() if match else None


def _refusal(request: _Request, fault: Fault) -> _Response:
    if fault.kind == "throttle":
        status, code, message = 400, "Throttling", "Rate exceeded"
    elif fault.code:
        status, code, message = fault.status, fault.code, fault.message
    else:
        status = fault.status
        code, message = {503: ("ServiceUnavailable", "Service Unavailable")}.get(
            status, ("InternalFailure", "An internal error has occurred")
        )
    request_id = str(uuid.uuid4())
    headers = (("x-amzn-RequestId", request_id),)
    if request.speaks_json:
        code = "ThrottlingException" if code == "Throttling" else code
        body = json.dumps({"__type": code, "message": message})
        return _Response(status, body.encode(), "application/x-amz-json-1.1", code, headers)
    sender = "Sender" if status < 500 else "Receiver"
    body = (
        f"<ErrorResponse><Error><Type>{sender}</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return _Response(status, body.encode(), "text/xml", code, headers)


class _Quiet(WSGIRequestHandler):
    """A request handler with keep-alive and without a log line per request: calls.jsonl has them all."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return


def serve_on(application: Application, port: int) -> BaseWSGIServer:
    """Bind the endpoint (port 0 is any free one); `serve_forever` of the result answers, one thread per connection."""
    return make_server("127.0.0.1", port, application, threaded=True, request_handler=_Quiet)
