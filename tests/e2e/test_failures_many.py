"""Many files, many builds at once: each image gets what is its own, and all of it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
import urllib.request
import uuid
from pathlib import Path

import pytest
from failing import digest_of, fails
from making import MakeSpec, Pulled

from buildkit_spec import BuildkitBuilder, BuildResult, ImageBuildEngine, ImageSpec
from buildkit_spec.errors import ExecError, FileChangedError
from buildkit_spec.values import StatusUpdate


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder: path, and sha256 of its content."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }


def layers_of(result: BuildResult) -> tuple[str, ...]:
    """Digests of an image's layers, the lowest first."""
    reference = result.reference
    url = f"http://{reference.registry}/v2/{reference.repository}/manifests/{result.digest}"
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=accept)) as answer:
        return tuple(layer["digest"] for layer in json.load(answer)["layers"])


def test_context_of_20_000_files_arrives_whole(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, tmp_path: Path
) -> None:
    """Each of 20 000 files is in the image, with its content, and nothing else is."""
    source = tmp_path / "source"
    made = spec(base_image="scratch", source_root=str(source))
    noise = random.Random(20_000)
    for folder in range(200):
        (source / f"d{folder}").mkdir(parents=True)
        for number in range(100):
            content = noise.randbytes(noise.randrange(2000))
            (source / f"d{folder}" / f"f{number}.bin").write_bytes(content)

    image = pulled(builder.build(made))

    found = tree(image.path("/root"))
    assert len(found) == 20_000
    assert found == tree(source)


def test_builds_at_once_get_their_own_files(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, tmp_path: Path
) -> None:
    """Threads that share a builder, and whose specs are called alike, do not mix their files."""
    count = 4
    began = threading.Barrier(count)
    results: dict[int, BuildResult] = {}
    for index in range(count):
        folder = tmp_path / f"source{index}"
        folder.mkdir()
        (folder / "who.txt").write_text(f"{index}\n")
        (folder / f"only{index}.txt").write_text("x" * index)
        # Same size, same time: a daemon that mixed the folders up would see no difference.
        os.utime(folder / "who.txt", (10**9, 10**9))

    def build(index: int) -> None:
        made = spec(base_image="scratch", source_root=str(tmp_path / f"source{index}"))
        began.wait(60)
        results[index] = builder.build(made)

    threads = [threading.Thread(target=build, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    for index in range(count):
        found = tree(pulled(results[index]).path("/root"))
        assert found == tree(tmp_path / f"source{index}")


def test_folders_that_look_alike_are_told_apart(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, tmp_path: Path
) -> None:
    """Files of one size and one time in two folders: each image has its own folder's content."""
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "app.py").write_text(f"print('{name}')\n")
        for path in (folder / "app.py", folder):
            os.utime(path, (10**9, 10**9))

    def only(name: str) -> ImageSpec:
        return spec(base_image="scratch", source_root=str(tmp_path / name))

    for name in ("one", "two", "one"):
        image = pulled(builder.build(only(name), force=True))
        assert image.path("/root/app.py").read_text() == f"print('{name}')\n"


def test_file_whose_time_was_set_back_is_sent_anew(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, tmp_path: Path
) -> None:
    """A file rewritten with its size and time kept: the image has the new content."""
    source = tmp_path / "source"
    source.mkdir()

    for content in ("old", "new", "old"):
        (source / "app.py").write_text(content)
        for path in (source / "app.py", source):
            os.utime(path, (10**9, 10**9))
        made = spec(base_image="scratch", source_root=str(source))
        image = pulled(builder.build(made, force=True))

        assert image.path("/root/app.py").read_text() == content


def test_file_that_changes_during_the_build_leaves_the_old_image(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path
) -> None:
    """An edit while a step runs is noticed: nothing is pushed over what is there."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "app.py").write_text("before")

    def edit(_: StatusUpdate) -> None:
        (source / "app.py").write_text("after")

    made = spec(source_root=str(source), commands=["sleep 0.5"])
    error = fails(builder, made, FileChangedError, on_status=edit)

    assert error.is_temporary
    assert "build again" in error.remedy


def test_base_that_is_a_spec_is_built_once_for_all_at_once(
    builder: BuildkitBuilder, spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Specs that share a base build it once, even with no cache, and get its layers."""
    monkeypatch.setattr(ImageBuildEngine, "_builders", {})
    ImageBuildEngine.register("buildkit", builder)
    base = spec(
        name="base",
        commands=["cat /proc/sys/kernel/random/uuid > /etc/drawn"],
        builder_options={"no_cache": True},
    )
    specs = [spec(name=f"i{index}", base_image=base, commands=["echo > /x"]) for index in range(3)]

    outcomes = ImageBuildEngine.build_many(specs)

    layers = [layers_of(one) for one in outcomes if isinstance(one, BuildResult)]
    assert len(layers) == 3
    assert len({one[:-1] for one in layers}) == 1


def test_base_that_is_a_spec_and_fails_fails_what_stands_on_it(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """The base's failure is told as it is, and the image above is as it was."""
    base = spec(name="base", commands=["exit 4"])
    error = fails(builder, spec(base_image=base), ExecError)

    assert error.exit_code == 4
    assert error.source == "commands[0]"
    assert digest_of(base) is None


def test_equal_specs_are_built_once(
    builder: BuildkitBuilder, spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same spec twice in one call: one build, and its result twice."""
    monkeypatch.setattr(ImageBuildEngine, "_builders", {})
    ImageBuildEngine.register("buildkit", builder)
    made = spec(commands=[f"echo {uuid.uuid4()}"])

    first, second = ImageBuildEngine.build_many([made, made.replace()])

    assert isinstance(first, BuildResult)
    assert first is second
    assert first.was_built
