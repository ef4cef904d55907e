"""Messages have BuildKit's field numbers and keep what is put into them."""

from __future__ import annotations

import pb_samples
import pytest
from google.protobuf import timestamp_pb2
from google.rpc import status_pb2

from buildkit_spec._pb import (
    caps,
    content,
    control,
    fsutil,
    gateway,
    health,
    ops,
    rpc,
    timestamp,
)

# By hand from BuildKit's own files: field number by name, for what a wrong number would hurt most.
NUMBERS = {
    control.SolveRequest: {
        "Ref": 1,
        "Definition": 2,
        "ExporterDeprecated": 3,
        "ExporterAttrsDeprecated": 4,
        "Session": 5,
        "Frontend": 6,
        "FrontendAttrs": 7,
        "Cache": 8,
        "Entitlements": 9,
        "FrontendInputs": 10,
        "Internal": 11,
        "SourcePolicy": 12,
        "Exporters": 13,
        "EnableSessionExporter": 14,
        "SourcePolicySession": 15,
        "CompatibilityVersion": 16,
        "ProxyNetwork": 17,
    },
    control.CacheOptions: {
        "ExportRefDeprecated": 1,
        "ImportRefsDeprecated": 2,
        "ExportAttrsDeprecated": 3,
        "Exports": 4,
        "Imports": 5,
    },
    control.Vertex: {
        "digest": 1,
        "inputs": 2,
        "name": 3,
        "cached": 4,
        "started": 5,
        "completed": 6,
        "error": 7,
        "progressGroup": 8,
    },
    control.VertexLog: {"vertex": 1, "timestamp": 2, "stream": 3, "msg": 4},
    gateway.SolveRequest: {
        "Definition": 1,
        "Frontend": 2,
        "FrontendOpt": 3,
        "allowResultReturn": 5,
        "allowResultArrayRef": 6,
        "Final": 10,
        "ExporterAttr": 11,
        "CacheImports": 12,
        "FrontendInputs": 13,
        "Evaluate": 14,
        "SourcePolicies": 15,
    },
    gateway.Result: {
        "refDeprecated": 1,
        "refsDeprecated": 2,
        "ref": 3,
        "refs": 4,
        "metadata": 10,
        "attestations": 12,
    },
    gateway.SolveResponse: {"ref": 1, "result": 3},
    caps.APICap: {
        "ID": 1,
        "Enabled": 2,
        "Deprecated": 3,
        "DisabledReason": 4,
        "DisabledReasonMsg": 5,
        "DisabledAlternative": 6,
    },
    ops.Op: {
        "inputs": 1,
        "exec": 2,
        "source": 3,
        "file": 4,
        "build": 5,
        "merge": 6,
        "diff": 7,
        "passthrough": 8,
        "platform": 10,
        "constraints": 11,
    },
    ops.Definition: {"def_": 1, "metadata": 2, "Source": 3},
    ops.OpMetadata: {
        "ignore_cache": 1,
        "description": 2,
        "export_cache": 4,
        "caps": 5,
        "progress_group": 6,
        "linux_resources": 7,
    },
    ops.ExecOp: {
        "meta": 1,
        "mounts": 2,
        "network": 3,
        "security": 4,
        "secretenv": 5,
        "cdiDevices": 6,
    },
    ops.Meta: {
        "args": 1,
        "env": 2,
        "cwd": 3,
        "user": 4,
        "proxy_env": 5,
        "extraHosts": 6,
        "hostname": 7,
        "ulimit": 9,
        "cgroupParent": 10,
        "removeMountStubsRecursive": 11,
        "validExitCodes": 12,
    },
    ops.Mount: {
        "input": 1,
        "selector": 2,
        "dest": 3,
        "output": 4,
        "readonly": 5,
        "mountType": 6,
        "TmpfsOpt": 19,
        "cacheOpt": 20,
        "secretOpt": 21,
        "SSHOpt": 22,
        "resultID": 23,
        "contentCache": 24,
    },
    ops.FileOp: {"actions": 2},
    ops.FileAction: {
        "input": 1,
        "secondaryInput": 2,
        "output": 3,
        "copy": 4,
        "mkfile": 5,
        "mkdir": 6,
        "rm": 7,
        "symlink": 8,
    },
    ops.FileActionCopy: {
        "src": 1,
        "dest": 2,
        "owner": 3,
        "mode": 4,
        "followSymlink": 5,
        "dirCopyContents": 6,
        "attemptUnpackDockerCompatibility": 7,
        "createDestPath": 8,
        "allowWildcard": 9,
        "allowEmptyWildcard": 10,
        "timestamp": 11,
        "include_patterns": 12,
        "exclude_patterns": 13,
        "alwaysReplaceExistingDestPaths": 14,
        "modeStr": 15,
        "required_paths": 16,
    },
    content.ReadContentRequest: {"digest": 1, "offset": 2, "size": 3},
    content.ReadContentResponse: {"offset": 1, "data": 2},
    content.WriteContentRequest: {
        "action": 1,
        "ref": 2,
        "total": 3,
        "expected": 4,
        "offset": 5,
        "data": 6,
        "labels": 7,
    },
    content.WriteContentResponse: {
        "action": 1,
        "started_at": 2,
        "updated_at": 3,
        "offset": 4,
        "total": 5,
        "digest": 6,
    },
    content.Info: {"digest": 1, "size": 2, "created_at": 3, "updated_at": 4, "labels": 5},
    fsutil.Packet: {"type": 1, "stat": 2, "ID": 3, "data": 4},
    fsutil.Stat: {
        "path": 1,
        "mode": 2,
        "uid": 3,
        "gid": 4,
        "size": 5,
        "modTime": 6,
        "linkname": 7,
        "devmajor": 8,
        "devminor": 9,
        "xattrs": 10,
    },
}


@pytest.mark.parametrize("message", list(NUMBERS), ids=lambda message: message.DESCRIPTOR.full_name)
def test_fields_have_upstreams_numbers(message):
    """Every field has the number it has in BuildKit, and there is no other field."""
    actual = {name: field.number for name, field in pb_samples.fields_of(message).items()}

    assert actual == NUMBERS[message]


def test_enums_have_upstreams_values():
    """Constants, wrappers and nested enums have the values that BuildKit gives them."""
    assert (ops.UNSET, ops.HOST, ops.NONE) == (0, 1, 2)
    assert (ops.SANDBOX, ops.INSECURE) == (0, 1)
    assert (ops.BIND, ops.SECRET, ops.SSH, ops.CACHE, ops.TMPFS) == (0, 1, 2, 3, 4)
    assert (ops.SHARED, ops.PRIVATE, ops.LOCKED) == (0, 1, 2)
    assert (ops.DEFAULT, ops.ON, ops.OFF) == (0, 1, 2)
    assert (content.STAT, content.WRITE, content.COMMIT) == (0, 1, 2)
    assert dict(fsutil.Packet.PacketType.items()) == {
        "PACKET_STAT": 0,
        "PACKET_REQ": 1,
        "PACKET_DATA": 2,
        "PACKET_FIN": 3,
        "PACKET_ERR": 4,
    }
    assert health.HealthCheckResponse.SERVING == 1
    assert ops.NetMode.HOST == ops.NetMode.Value("HOST") == ops.HOST
    assert ops.CacheSharingOpt.Name(2) == "LOCKED"


def test_messages_survive_a_round_trip():
    """Each field of each message, with all that can lie below it, is read back as written."""
    count = 0
    for sample in pb_samples.samples():
        data = sample.SerializeToString(deterministic=True)
        back = type(sample).FromString(data)

        assert back == sample
        assert data
        count += 1
    assert count > 400


def test_unknown_fields_are_kept():
    """What a newer daemon adds does not get lost on the way through."""
    newer = control.InfoResponse().SerializeToString() + b"\xca\x3e\x03abc"  # field 1001

    assert control.InfoResponse.FromString(newer).SerializeToString() == newer


def test_bytes_are_those_of_the_wire():
    """A vertex is encoded as the format says: numbers ascending, defaults absent, presence kept."""
    op = ops.Op(
        inputs=[ops.Input(digest="d", index=1)],
        source=ops.SourceOp(identifier="i", attrs={"b": "", "a": "1"}),
        constraints=ops.WorkerConstraints(),
    )

    assert op.SerializeToString(deterministic=True) == (
        b"\x0a\x05\x0a\x01d\x10\x01"
        b"\x1a\x12\x0a\x01i\x12\x06\x0a\x01a\x12\x011\x12\x05\x0a\x01b\x12\x00"
        b"\x5a\x00"
    )


def test_oneof_members_exclude_each_other():
    """Setting one member of a oneof clears the one set before."""
    op = ops.Op(source=ops.SourceOp(identifier="i"))

    op.merge.SetInParent()

    assert op.WhichOneof("op") == "merge"
    assert not op.HasField("source")


def test_zero_in_a_oneof_is_written():
    """A user with id 0 is another thing than no user."""
    root = ops.UserOpt(byID=0)

    assert root.SerializeToString() == b"\x10\x00"
    assert ops.UserOpt().SerializeToString() == b""


def test_foreign_types_convert_through_bytes():
    """Our pool's Status and Timestamp are other classes than the default pool's, of equal bytes."""
    status = status_pb2.Status(code=5, message="no")
    status.details.add(type_url="moby/errdefs.Vertex+json", value=b"{}")
    moment = timestamp_pb2.Timestamp(seconds=1, nanos=2)

    detail = rpc.Status.FromString(status.SerializeToString()).details[0]

    assert (detail.type_url, detail.value) == ("moby/errdefs.Vertex+json", b"{}")
    assert timestamp.Timestamp.FromString(moment.SerializeToString()).ToNanoseconds() == 10**9 + 2
    assert control.Vertex(started=timestamp.Timestamp(seconds=1)).started.ToSeconds() == 1
    assert rpc.Status is not status_pb2.Status
    assert timestamp.Timestamp is not timestamp_pb2.Timestamp
