"""What a daemon keeps: its cache, its workers, and the builds that it remembers."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import uuid
from pathlib import Path
from typing import Any

import pytest
from making import MakeSpec

from buildkit_spec import BuildkitBuilder, BuildResult
from buildkit_spec.errors import ExecError, InvalidValueError
from buildkit_spec.progress import BuildModel


def cli(*args: str, code: int = 0, **options: Any) -> str:
    command = [sys.executable, "-m", "buildkit_spec", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr if code or not done.stdout else done.stdout


@pytest.fixture(name="mark")
def _mark() -> str:
    return uuid.uuid4().hex


@pytest.fixture(name="done")
def _done(builder: BuildkitBuilder, spec: MakeSpec, mark: str) -> BuildResult:
    """A build whose step says the mark."""
    return builder.build(spec(commands=[f"echo said {mark} > /made; cat /made"]))


def test_build_is_remembered(done: BuildResult, mark: str) -> None:
    """By the id that the result tells: its image, what became of it, and its steps."""
    listed = json.loads(cli("history", "inspect", done.ref, "--json"))

    assert (listed["ref"], listed["state"]) == (done.ref, "done")
    assert listed["name"] == str(done.reference).partition("@")[0]
    assert listed["exporters"] == ["image"]
    assert listed["step_count"] >= 2
    assert {blob["role"] for blob in listed["blobs"]} >= {"logs", "result"}
    assert done.ref[:12] in cli("history", "ls", "--name", listed["name"])
    assert "done" in cli("history", "inspect", done.ref[:12])


def test_logs_are_told_again(builder: BuildkitBuilder, done: BuildResult, mark: str) -> None:
    """The same steps with what they said, as often as somebody asks."""
    model = BuildModel()
    with builder.connect() as client:
        client.history.replay(done.ref, model.apply)

    assert f"said {mark}" in cli("history", "logs", done.ref)
    steps = {step.name for step in model.steps}
    assert {step.name for step in done.steps} <= steps


def test_failed_build_is_remembered_with_its_error(
    builder: BuildkitBuilder, spec: MakeSpec, mark: str
) -> None:
    """Among the failed ones, with its exit code."""
    image = spec(commands=[f"echo said {mark}; exit 7"])
    with pytest.raises(ExecError):
        builder.build(image)
    lines = cli("history", "ls", "--state", "failed", "--name", image.image_name(), "--json")
    (record,) = map(json.loads, lines.splitlines())

    assert "exit code: 7" in record["error"]
    assert f"said {mark}" in cli("history", "logs", record["ref"])


def test_questions_are_not_remembered(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """A plan builds nothing that somebody would look for."""
    with builder.connect() as client:
        builder.plan(spec(packages=[]))
        before = {one.ref for one in client.history.records() if not one.exporters}
        builder.plan(spec(packages=[]))
        after = {one.ref for one in client.history.records() if not one.exporters}

    assert after <= before


def test_build_is_forgotten(builder: BuildkitBuilder, done: BuildResult) -> None:
    """The record is gone, the image is there."""
    assert cli("history", "rm", done.ref[:16]).strip() == done.ref
    assert "remembers no such build" in cli("history", "inspect", done.ref, code=2)
    with builder.connect() as client, pytest.raises(InvalidValueError):
        client.history.find(done.ref)

    assert builder.registry.exists(done.reference)


def test_record_is_exported_as_an_image_layout(
    done: BuildResult, mark: str, tmp_path: Path
) -> None:
    """Each blob has its digest; it has record, logs, trace, provenance, the image's manifest."""
    cli("history", "export", done.ref, "-o", str(tmp_path / "out"))
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress((tmp_path / "out").read_bytes()))) as tar:
        files = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
    for name, data in files.items():
        if name.startswith("blobs/"):
            assert hashlib.sha256(data).hexdigest() == name.rpartition("/")[2]
    (entry,) = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(files["blobs/" + entry["digest"].replace(":", "/")])
    record = json.loads(files["blobs/" + manifest["config"]["digest"].replace(":", "/")])
    layers = {
        one["mediaType"]: files["blobs/" + one["digest"].replace(":", "/")]
        for one in manifest["layers"]
    }

    assert record["Ref"] == done.ref
    assert record["CreatedAt"]["seconds"] > 0
    assert mark.encode() in layers["application/vnd.buildkit.status.v0"]
    assert json.loads(layers["application/vnd.in-toto+json"])["buildType"]
    assert json.loads(layers["application/json"])["config"]
    assert "application/vnd.buildkit.otlp.json.v0" in layers


def test_cache_is_listed_and_pruned_by_filters(done: BuildResult, mark: str) -> None:
    """Only what fits goes, and what was used since stays."""
    fits = ["--filter", f"description~={mark}"]
    records = [json.loads(line) for line in cli("du", *fits, "--json").splitlines()]
    assert records
    assert all(mark in one["description"] for one in records)
    assert mark in cli("du", "--filter", f"id={records[0]['id'][:12]}", "-v")
    assert cli("du", *fits, "--filter", "until=1h", "--json").strip() == ""
    assert "removed 0" in cli("prune", *fits)
    assert "removed 0" in cli("prune", *fits, "--max-used-space", "1TB")
    assert "removed" in cli("prune", *fits, "--keep-duration", "0", "--all")

    assert cli("du", *fits, "--json").strip() == ""


def test_filter_that_fits_nothing_by_mistake_is_refused() -> None:
    """A daemon would say nothing."""
    assert "one of: id, type" in cli("du", "--filter", "typ=regular", code=2)
    assert "a duration is written" in cli("prune", "--keep-duration", "2", code=2)


def test_workers_tell_what_they_can_and_when_they_clean_up() -> None:
    """Platforms, labels and rules; for programs too."""
    told = cli("workers")
    document = json.loads(cli("workers", "--json").splitlines()[0])

    assert "linux/amd64" in told
    assert "clean-up rule 1" in told
    assert document["id"] in told
    assert "linux/amd64" in document["platforms"]
    assert document["gc_rules"]
