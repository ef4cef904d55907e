"""Builds that a daemon remembers: as it sends them, and as people name them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest
from fake_daemon import CONTROL, FakeDaemon, unimplemented

from buildkit_spec._pb import control as pb
from buildkit_spec._pb import rpc
from buildkit_spec._pb.timestamp import Timestamp
from buildkit_spec.client import Client
from buildkit_spec.client.history import decode_build
from buildkit_spec.errors import InvalidValueError, UnsupportedCapabilityError


def record(ref: str, created: int = 1, **fields: object) -> pb.BuildHistoryRecord:
    return pb.BuildHistoryRecord(Ref=ref, CreatedAt=Timestamp(seconds=created), **fields)  # type: ignore[arg-type]


@pytest.fixture(name="daemon")
def _daemon() -> Iterator[FakeDaemon]:
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as home,  # short enough for a socket
        FakeDaemon(f"{home}/s") as daemon,
    ):
        yield daemon


def remembers(daemon: FakeDaemon, *events: pb.BuildHistoryEvent) -> None:
    daemon.answers[CONTROL.ListenBuildHistory] = lambda _, __: iter(events)


def done(one: pb.BuildHistoryRecord) -> pb.BuildHistoryEvent:
    return pb.BuildHistoryEvent(type=pb.COMPLETE, record=one)


def test_builds_come_latest_first(daemon: FakeDaemon) -> None:
    """One that is told of twice is there once, as it was told last; deleted ones are not there."""
    remembers(
        daemon,
        pb.BuildHistoryEvent(type=pb.STARTED, record=record("b", 2)),
        done(record("a", 1)),
        done(record("b", 2, CompletedAt=Timestamp(seconds=5))),
        done(record("c", 3)),
        pb.BuildHistoryEvent(type=pb.DELETED, record=record("c")),
    )
    with Client(daemon.address) as client:
        records = client.history.records()

    assert [one.ref for one in records] == ["b", "a"]
    assert [one.duration_s for one in records] == [3, None]


@pytest.mark.parametrize(
    ("text", "ref"),
    [("abc", "abcd"), ("abd", "abde"), ("^0", "abde"), ("^1", "abcd"), ("x", "x"), ("xy", "xyz")],
)
def test_build_is_found(daemon: FakeDaemon, text: str, ref: str) -> None:
    """By its id, how that begins, or how many builds ago it was; a whole id is that build's."""
    remembers(daemon, *(done(record(one, n)) for n, one in enumerate(("xyz", "x", "abcd", "abde"))))
    with Client(daemon.address) as client:
        assert client.history.find(text).ref == ref


@pytest.mark.parametrize("text", ["ab", "q", "", "^9", "^"])
def test_build_that_is_not_the_only_one_is_not_found(daemon: FakeDaemon, text: str) -> None:
    """Neither of two that begin so, nor any for an empty text."""
    remembers(daemon, done(record("abcd")), done(record("abde")))
    with Client(daemon.address) as client, pytest.raises(InvalidValueError) as caught:
        client.history.find(text)

    assert "history ls" in caught.value.remedy


def test_daemon_without_history_is_told_as_such(daemon: FakeDaemon) -> None:
    """Such as the one in Docker Engine 20.10."""
    daemon.answers[CONTROL.ListenBuildHistory] = unimplemented
    with Client(daemon.address) as client, pytest.raises(UnsupportedCapabilityError):
        client.history.records()


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "running"),
        ({"CompletedAt": Timestamp(seconds=9)}, "done"),
        ({"CompletedAt": Timestamp(seconds=9), "error": rpc.Status(message="exit 1")}, "failed"),
        (
            {"CompletedAt": Timestamp(seconds=9), "error": rpc.Status(message="context canceled")},
            "cancelled",
        ),
    ],
)
def test_build_has_a_state(fields: dict[str, object], state: str) -> None:
    """It runs until it is completed, and its error says whether somebody ended it."""
    assert decode_build(record("a", **fields)).state == state


def test_older_daemons_without_free_space_rules_are_not_asked_to_prune_by_them(
    daemon: FakeDaemon,
) -> None:
    """They would pass over the limit, and remove everything."""
    daemon.answers[CONTROL.Prune] = lambda _, __: iter(())
    with Client(daemon.address) as client:
        with pytest.raises(UnsupportedCapabilityError) as caught:
            list(client.prune(max_used_bytes=10))
        assert list(client.prune(reserved_bytes=10)) == []

    assert caught.value.capability == "gc.freespacefilter"
    assert len(daemon.requests[CONTROL.Prune]) == 1
    assert daemon.requests[CONTROL.Solve][0].Internal


def test_record_without_anything_is_decoded() -> None:
    """A daemon may know next to nothing of a build."""
    one = decode_build(pb.BuildHistoryRecord(Ref="a"))

    assert (one.name, one.created, one.blobs, one.exporters) == ("", None, (), ())
