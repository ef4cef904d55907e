"""The course of a build, against a daemon in this process that plays every part."""

from __future__ import annotations

import threading

import grpc
import pytest
from fake_daemon import BRIDGE, CONTROL, FakeDaemon, abort, unimplemented

from buildkit_spec import llb
from buildkit_spec._pb import control, gateway, ops, worker
from buildkit_spec.client import (
    BuildOutput,
    CacheEntry,
    Client,
    DaemonInfo,
    Exporter,
    Gateway,
    image_exporter,
    needed_capabilities,
)
from buildkit_spec.errors import (
    ConnectionFailedError,
    ExecError,
    FileChangedError,
    SolveCanceledError,
    SolveError,
    UnsupportedCapabilityError,
)
from buildkit_spec.session import Session
from buildkit_spec.values import Digest, Platform, Reference, StatusUpdate

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")


def nothing(_: Gateway) -> BuildOutput:
    return BuildOutput({AMD64: None})


def solving(gateway: Gateway) -> BuildOutput:
    return BuildOutput({AMD64: gateway.solve(llb.Definition(), evaluate=True)})


def test_request_suits_old_and_new_daemons(daemon: FakeDaemon, client: Client) -> None:
    """Exporters go in both forms; everything asked for is in the one request."""
    exporters = [
        image_exporter([Reference.parse("h.io/a:1"), Reference.parse("h.io/b:1")], push=True),
        Exporter("oci", {"tar": "false"}),
    ]
    daemon.exporter_response = {"containerimage.digest": Digest.of(b"").value, "image.name": "x"}

    result = client.build(
        nothing,
        exporters=exporters,
        entitlements=["network.host"],
        cache_imports=[CacheEntry("registry", {"ref": "host/cache"})],
        cache_exports=[CacheEntry("inline")],
        frontend_attrs={"attest:sbom": ""},
        ref="the-ref",
    )

    (request,) = daemon.requests[CONTROL.Solve]
    image_attrs = {"name": "h.io/a:1,h.io/b:1", "oci-mediatypes": "true", "push": "true"}
    assert request.Ref == "the-ref"
    assert [(one.Type, dict(one.Attrs)) for one in request.Exporters] == [
        ("image", image_attrs),
        ("oci", {"tar": "false"}),
    ]
    assert request.ExporterDeprecated == "image"
    assert dict(request.ExporterAttrsDeprecated) == image_attrs
    assert list(request.Entitlements) == ["network.host"]
    assert [(one.Type, dict(one.Attrs)) for one in request.Cache.Imports] == [
        ("registry", {"ref": "host/cache"})
    ]
    assert [one.Type for one in request.Cache.Exports] == ["inline"]
    assert dict(request.FrontendAttrs) == {"attest:sbom": ""}
    assert not request.HasField("Definition")
    assert request.Frontend == ""
    assert (result.ref, result.digest) == ("the-ref", Digest.of(b""))
    assert result.exporter_response["image.name"] == "x"


def test_image_exporter_takes_annotations_of_manifest_and_index() -> None:
    """The names are those of BuildKit, which passes over what it does not know."""
    annotations = {"a.b": "1", "manifest:a.c": "2", "index:a.d": "3", "index-descriptor:e": "4"}
    exporter = image_exporter(
        [Reference.parse("h.io/a:1")],
        push=False,
        compression={"compression": "zstd"},
        annotations=annotations,
        epoch_s=0,
    )

    assert exporter.attrs == {
        "name": "h.io/a:1",
        "oci-mediatypes": "true",
        "source-date-epoch": "0",
        "compression": "zstd",
        "annotation.a.b": "1",
        "annotation-manifest.a.c": "2",
        "annotation-index.a.d": "3",
        "annotation-index-descriptor.e": "4",
    }


def test_what_the_daemon_cannot_do_is_told_before_it_builds(
    daemon: FakeDaemon, client: Client
) -> None:
    """An older daemon would leave attestations, annotations and caches out and say nothing."""
    plain = image_exporter([Reference.parse("h.io/a:1")], push=True)
    annotated = image_exporter([Reference.parse("h.io/a:1")], push=True, annotations={"a": "b"})

    assert needed_capabilities([plain], {}, [CacheEntry("registry", {"ref": "h/c"})]) == {}
    for needed, words in (
        (needed_capabilities([annotated]), "annotate"),
        (needed_capabilities([plain], {"attest:sbom": ""}), "attest"),
        (needed_capabilities([plain], {}, [CacheEntry("gha")]), "type gha"),
    ):
        with pytest.raises(UnsupportedCapabilityError, match=words) as caught:
            client.build(lambda gateway, needed=needed: gateway.require(needed))  # type: ignore[misc]
        assert [caught.value.capability] == list(needed)
        assert "builder_options" in caught.value.remedy
    assert BRIDGE.Solve not in daemon.requests


def test_calls_carry_the_build_id(daemon: FakeDaemon, client: Client) -> None:
    """Gateway calls say which build they belong to; the status stream follows the same one."""
    seen: list[object] = []
    ping = daemon.answers[BRIDGE.Ping]

    def remember(request: object, context: grpc.ServicerContext) -> object:
        seen.append(dict(context.invocation_metadata())["buildkit-controlapi-buildid"])
        return ping(request, context)

    daemon.answers[BRIDGE.Ping] = remember
    client.build(nothing, ref="the-ref")

    assert seen == ["the-ref"]
    assert [one.Ref for one in daemon.requests[CONTROL.Status]] == ["the-ref"]


def test_ping_is_repeated_until_the_build_is_there(daemon: FakeDaemon, client: Client) -> None:
    """A build that is not registered in the first moments is asked for again."""
    ping = daemon.answers[BRIDGE.Ping]

    def late(request: object, context: grpc.ServicerContext) -> object:
        if len(daemon.requests[BRIDGE.Ping]) < 3:
            abort(context, grpc.StatusCode.UNKNOWN, "forwarding Ping: no such job the-ref")
        return ping(request, context)

    daemon.answers[BRIDGE.Ping] = late
    client.build(nothing)

    assert len(daemon.requests[BRIDGE.Ping]) == 3


def test_refused_solve_ends_the_wait_for_it(daemon: FakeDaemon, client: Client) -> None:
    """When Solve fails, its reason is raised, though Ping is still waited for."""
    daemon.answers[CONTROL.Solve] = lambda _, context: abort(
        context, grpc.StatusCode.INVALID_ARGUMENT, "no thanks"
    )
    blocked = threading.Event()
    daemon.answers[BRIDGE.Ping] = lambda _, __: blocked.wait()
    try:
        with pytest.raises(SolveError, match="no thanks") as caught:
            client.build(nothing)
    finally:
        blocked.set()
        daemon.statuses.put(None)

    assert caught.value.code == "INVALID_ARGUMENT"


def test_results_go_alone_or_by_platform(daemon: FakeDaemon, client: Client) -> None:
    """One ref is returned alone; several by platform, with the list that exporters read."""
    client.build(
        lambda gateway: BuildOutput(
            {AMD64: gateway.solve(llb.Definition())}, {"containerimage.config": b"{}"}
        )
    )
    client.build(lambda gateway: BuildOutput({AMD64: gateway.solve(llb.Definition()), ARM64: None}))

    one, two = (request.result for request in daemon.requests[BRIDGE.Return])
    assert one.ref.id == "ref-1"
    assert dict(one.metadata) == {"containerimage.config": b"{}"}
    assert {name: ref.id for name, ref in two.refs.refs.items()} == {
        "linux/amd64": "ref-1",
        "linux/arm64": "",
    }
    assert two.metadata["refs.platforms"] == (
        b'{"Platforms": [{"ID": "linux/amd64", "Platform": {"architecture": "amd64", "os":'
        b' "linux"}}, {"ID": "linux/arm64", "Platform": {"architecture": "arm64", "os": "linux"}}]}'
    )


def test_ref_of_an_old_daemon_is_read(daemon: FakeDaemon, client: Client) -> None:
    """A daemon that answers with the deprecated form of a ref is understood."""
    daemon.answers[BRIDGE.Solve] = lambda _, __: gateway.SolveResponse(
        result=gateway.Result(refDeprecated="old-1")
    )
    ids: list[str] = []

    def run(gateway: Gateway) -> BuildOutput:
        ids.append(gateway.solve(llb.Definition()).id)
        return nothing(gateway)

    client.build(run)

    assert ids == ["old-1"]
    (request,) = daemon.requests[BRIDGE.Solve]
    assert request.allowResultReturn
    assert request.allowResultArrayRef


def test_capabilities_have_reasons(daemon: FakeDaemon, client: Client) -> None:
    """A capability that is switched off says why."""
    seen: list[tuple[bool, str, str]] = []

    def run(gateway: Gateway) -> BuildOutput:
        caps = gateway.llb_caps
        seen.append((caps.supports("mergeop"), caps.reason("mergeop"), caps.reason("diffop")))
        return nothing(gateway)

    client.build(run)

    assert seen == [(False, "not here", "the daemon does not know it")]


def test_error_of_the_caller_ends_the_build(daemon: FakeDaemon, client: Client) -> None:
    """What the caller raises is returned to the daemon with its words, and raised as it was."""
    wrong = ZeroDivisionError("by nothing")

    def run(_: Gateway) -> BuildOutput:
        raise wrong

    with pytest.raises(ZeroDivisionError) as caught:
        client.build(run)

    assert caught.value is wrong
    (request,) = daemon.requests[BRIDGE.Return]
    assert (request.error.code, request.error.message) == (2, "by nothing")


def test_error_of_a_step_is_returned_with_its_details(daemon: FakeDaemon, client: Client) -> None:
    """A step's error goes back as it came, so that the daemon's history knows the step."""
    daemon.answers[BRIDGE.Solve] = lambda _, context: abort(
        context,
        grpc.StatusCode.UNKNOWN,
        "broken",
        [("gatewayapi.ExitMessage+json", b'{"Code":3}')],
    )

    with pytest.raises(ExecError):
        client.build(solving)

    (request,) = daemon.requests[BRIDGE.Return]
    assert request.error.message == "broken"
    assert [one.type_url.rpartition("/")[2] for one in request.error.details] == [
        "gatewayapi.ExitMessage+json"
    ]


def vertex(digest: Digest | str, name: str, **fields: object) -> control.Vertex:
    return control.Vertex(digest=str(digest), name=name, **fields)  # type: ignore[arg-type]


def test_failure_is_explained_by_the_status_stream(daemon: FakeDaemon, client: Client) -> None:
    """Without details the vertex that failed by itself is the one; its log comes with it."""
    state = llb.State().run(["/bin/make", "all"]).root
    definition = state.marshal(platform=AMD64)
    digest = definition.head
    assert digest is not None
    victim = Digest.of(b"victim")
    daemon.statuses.put(
        control.StatusResponse(
            vertexes=[
                vertex(victim, "victim", error="context canceled"),
                vertex(digest, "make it", error="exit code: 2"),
            ],
            logs=[
                control.VertexLog(vertex=str(digest), stream=1, msg=b"one\ntw"),
                control.VertexLog(vertex=str(digest), stream=2, msg=b"oh no"),
            ],
        )
    )
    daemon.statuses.put(
        control.StatusResponse(
            logs=[control.VertexLog(vertex=str(digest), stream=1, msg=b"o\nthree")]
        )
    )
    daemon.answers[BRIDGE.Solve] = lambda _, context: abort(
        context, grpc.StatusCode.UNKNOWN, "x did not complete successfully: exit code: 2"
    )

    def run(gateway: Gateway) -> BuildOutput:
        return BuildOutput({AMD64: gateway.solve(definition, evaluate=True)})

    with pytest.raises(ExecError) as caught:
        client.build(run)

    error = caught.value
    assert (error.vertex, error.vertex_digest) == ("make it", str(digest))
    assert error.command == ("/bin/make", "all")
    assert error.log_tail == ("one", "two", "oh no", "three")


def test_session_failure_is_the_cause(daemon: FakeDaemon, client: Client) -> None:
    """What went wrong on our side of the session is raised, not what the daemon made of it."""
    cause = FileChangedError("a.txt changed while it was sent", path="a.txt")

    class Failed(Session):
        @property
        def failure(self) -> FileChangedError:
            return cause

        def start(self, channel: grpc.Channel) -> None: ...

    daemon.answers[BRIDGE.Solve] = lambda _, context: abort(
        context, grpc.StatusCode.UNKNOWN, "rpc error: stream terminated"
    )
    with pytest.raises(FileChangedError) as caught, Failed([]) as session:
        client.build(solving, session=session)
    assert caught.value is cause

    daemon.answers[BRIDGE.Solve] = lambda _, context: abort(
        context, grpc.StatusCode.UNKNOWN, "did not complete successfully: exit code: 1"
    )
    with pytest.raises(ExecError), Failed([]) as session:
        client.build(solving, session=session)


def test_session_is_named_in_the_request(daemon: FakeDaemon, client: Client) -> None:
    """The daemon is told which session belongs to the build."""

    class Silent(Session):
        def start(self, channel: grpc.Channel) -> None: ...

    with Silent([], id="the-session") as session:
        client.build(nothing, session=session)

    assert daemon.requests[CONTROL.Solve][0].Session == "the-session"


def test_step_that_cannot_be_shown_ends_nothing(daemon: FakeDaemon, client: Client) -> None:
    """A status with a digest of an unknown form is left out; the others arrive, and the build."""
    seen: list[StatusUpdate] = []
    daemon.statuses.put(control.StatusResponse(vertexes=[vertex("odd", "odd")]))
    daemon.statuses.put(control.StatusResponse(vertexes=[vertex(Digest.of(b""), "good")]))

    client.build(nothing, on_status=seen.append)

    assert [one.name for update in seen for one in update.vertices] == ["good"]


def test_callback_that_fails_ends_the_build(daemon: FakeDaemon, client: Client) -> None:
    """The callback's error is raised; the build, which waits in a call, is cancelled."""
    blocked = threading.Event()
    daemon.answers[BRIDGE.Solve] = lambda _, __: blocked.wait()
    daemon.statuses.put(control.StatusResponse())

    def fail(_: StatusUpdate) -> None:
        raise BrokenPipeError

    try:
        with pytest.raises(BrokenPipeError):
            client.build(solving, on_status=fail)
    finally:
        blocked.set()


def test_build_cancelled_on_the_daemon_says_so(daemon: FakeDaemon, client: Client) -> None:
    """A build that somebody else cancelled is no failure of a step."""
    daemon.answers[BRIDGE.Solve] = lambda _, context: abort(
        context, grpc.StatusCode.CANCELLED, "context canceled"
    )

    with pytest.raises(SolveCanceledError):
        client.build(solving)


def test_gateway_is_of_no_use_after_its_build(daemon: FakeDaemon, client: Client) -> None:
    """A gateway kept beyond a build that failed answers at once that it is over."""
    kept: list[Gateway] = []

    def run(gateway: Gateway) -> BuildOutput:
        kept.append(gateway)
        raise SolveError("enough")

    with pytest.raises(SolveError):
        client.build(run)

    with pytest.raises(SolveCanceledError):
        kept[0].solve(llb.Definition())


def test_daemon_without_info_is_greeted(daemon: FakeDaemon) -> None:
    """BuildKit before 0.11 cannot say its version, and is used all the same."""
    daemon.answers[CONTROL.Info] = unimplemented

    with Client(daemon.address) as client:
        assert client.info() == DaemonInfo("", "", "")


def test_other_grpc_server_is_told(daemon: FakeDaemon) -> None:
    """A gRPC server that is not BuildKit, such as containerd, is told."""
    daemon.answers[CONTROL.Info] = daemon.answers[CONTROL.ListWorkers] = unimplemented

    with pytest.raises(ConnectionFailedError, match="not BuildKit's API"):
        Client(daemon.address)


def test_workers_and_records_are_values(daemon: FakeDaemon, client: Client) -> None:
    """Workers and cache records come as values of ours, times in UTC, never used as None."""
    platform = ops.Platform(OS="linux", Architecture="arm64", Variant="v8")
    daemon.answers[CONTROL.ListWorkers] = lambda _, __: control.ListWorkersResponse(
        record=[worker.WorkerRecord(ID="w", Labels={"k": "v"}, platforms=[platform])]
    )
    record = control.UsageRecord(ID="r", Size=5, RecordType="regular", Description="d", InUse=True)
    record.CreatedAt.seconds = 86400
    daemon.answers[CONTROL.DiskUsage] = lambda _, __: control.DiskUsageResponse(record=[record])

    (one,) = client.workers()
    (found,) = client.disk_usage(["type==regular"])

    assert (one.id, dict(one.labels), one.platforms) == ("w", {"k": "v"}, (ARM64,))
    assert (found.id, found.size_bytes, found.kind, found.is_in_use) == ("r", 5, "regular", True)
    assert found.created is not None
    assert found.created.isoformat() == "1970-01-02T00:00:00+00:00"
    assert found.last_used is None
    assert list(daemon.requests[CONTROL.DiskUsage][0].filter) == ["type==regular"]


def test_prune_is_asked_for_and_may_be_left(daemon: FakeDaemon, client: Client) -> None:
    """Pruning yields records as they come; whoever stops iterating ends it."""
    ended = threading.Event()

    def prune(_: object, context: grpc.ServicerContext) -> object:
        context.add_callback(ended.set)
        number = 0
        while context.is_active():
            yield control.UsageRecord(ID=str(number))
            number += 1

    daemon.answers[CONTROL.Prune] = prune
    records = client.prune(["type==regular"], all=True, keep_duration_s=1.5, reserved_bytes=7)

    assert [next(records).id, next(records).id] == ["0", "1"]
    records.close()  # type: ignore[attr-defined]
    assert ended.wait(10)
    (request,) = daemon.requests[CONTROL.Prune]
    assert list(request.filter) == ["type==regular"]
    assert (request.all, request.keepDuration, request.reservedSpace) == (True, 1_500_000_000, 7)
