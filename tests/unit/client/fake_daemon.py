"""A small daemon in this process: it speaks the real protocol, and says what a test wants."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from buildkit_spec._pb import caps, control, gateway, rpc, worker
from buildkit_spec._pb._method import Method
from buildkit_spec.client import Address

Answer = Callable[[Any, grpc.ServicerContext], Any]

CONTROL, BRIDGE = control.Control, gateway.LLBBridge


class FakeDaemon:
    """Answers the calls of one build at a time; a context manager.

    A test changes `answers` before the client connects, and reads `requests` afterwards.

    Attributes:
        answers: What answers a method.
        requests: What was asked, by method.
        statuses: What the status stream tells; None ends it.
    """

    def __init__(self, path: str, credentials: grpc.ServerCredentials | None = None) -> None:
        self.requests: dict[Method[Any, Any], list[Any]] = {}
        self.statuses: queue.Queue[control.StatusResponse | None] = queue.Queue()
        self._returned: queue.Queue[gateway.ReturnRequest] = queue.Queue()
        self.exporter_response: dict[str, str] = {}
        self.answers: dict[Method[Any, Any], Answer] = {
            CONTROL.Info: lambda _, __: control.InfoResponse(
                buildkitVersion=worker.BuildkitVersion(package="fake", version="v9")
            ),
            CONTROL.ListWorkers: lambda _, __: control.ListWorkersResponse(),
            CONTROL.Solve: self._solve,
            CONTROL.Status: self._status,
            BRIDGE.Ping: lambda _, __: gateway.PongResponse(
                FrontendAPICaps=[caps.APICap(ID="gateway.evaluate", Enabled=True)],
                LLBCaps=[caps.APICap(ID="mergeop", DisabledReasonMsg="not here")],
            ),
            BRIDGE.Solve: lambda _, __: gateway.SolveResponse(
                result=gateway.Result(ref=gateway.Ref(id="ref-1"))
            ),
            BRIDGE.Return: self._return,
        }
        self._pool = ThreadPoolExecutor(16)
        self._server = grpc.server(self._pool)
        self._server.add_generic_rpc_handlers((_Handlers(self),))
        if credentials is None:
            self._server.add_insecure_port(f"unix:{path}")
            self.address = Address("unix", path)
        else:
            port = self._server.add_secure_port("127.0.0.1:0", credentials)
            self.address = Address("tcp", host="127.0.0.1", port=port)

    def __enter__(self) -> FakeDaemon:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.statuses.put(None)
        self._returned.put(gateway.ReturnRequest())
        self._server.stop(0).wait()
        self._pool.shutdown()

    def _solve(
        self, request: control.SolveRequest, context: grpc.ServicerContext
    ) -> control.SolveResponse:
        """Wait for Return, as a build that is steered through the gateway does."""
        context.add_callback(lambda: self.statuses.put(None))
        returned = self._returned.get()
        if returned.HasField("error"):
            abort(context, grpc.StatusCode.UNKNOWN, returned.error.message)
        return control.SolveResponse(ExporterResponse=self.exporter_response)

    def _return(
        self, request: gateway.ReturnRequest, context: grpc.ServicerContext
    ) -> gateway.ReturnResponse:
        self._returned.put(request)
        return gateway.ReturnResponse()

    def _status(
        self, request: control.StatusRequest, context: grpc.ServicerContext
    ) -> Iterator[control.StatusResponse]:
        while (status := self.statuses.get()) is not None:
            yield status


def abort(
    context: grpc.ServicerContext,
    code: grpc.StatusCode,
    message: str,
    details: Sequence[tuple[str, bytes]] = (),
) -> None:
    """End a call with an error, with details as BuildKit sends them: type and JSON."""
    status = rpc.Status(code=code.value[0], message=message)
    for name, document in details:
        status.details.add(type_url=f"github.com/moby/buildkit/{name}", value=document)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, message)


def unimplemented(request: object, context: grpc.ServicerContext) -> None:
    """Answer as a server that does not know the method."""
    context.abort(grpc.StatusCode.UNIMPLEMENTED, "unknown method")


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, daemon: FakeDaemon) -> None:
        self._daemon = daemon

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        for method in self._daemon.answers:
            if method.path == details.method:
                make = (
                    grpc.unary_stream_rpc_method_handler
                    if method.is_server_streaming
                    else grpc.unary_unary_rpc_method_handler
                )
                return make(
                    self._recorded(method),
                    request_deserializer=method.request.FromString,
                    response_serializer=method.response.SerializeToString,
                )
        return None

    def _recorded(self, method: Method[Any, Any]) -> Answer:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            self._daemon.requests.setdefault(method, []).append(request)
            return self._daemon.answers[method](request, context)

        return answer
