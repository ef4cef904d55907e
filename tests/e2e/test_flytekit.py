"""The user guide of flytekit's ImageSpec, page by page, with the real flytekit and pyflyte."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator

import pytest
from flytekits import Project, flytekit_base, image_spec, mount, old_flytekit
from pulled import PulledImage, pull

pytestmark = pytest.mark.filterwarnings("ignore")  # flytekit's own


@pytest.fixture(scope="module", name="base")
def _base(buildkit_host: str, registry: str, base_image: str) -> str:
    return flytekit_base(buildkit_host, registry, base_image)


@pytest.fixture(scope="module", name="example")
def _example(
    registry: str, base: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The example's folder; its images go to a repository that nobody else has."""
    folder = tmp_path_factory.mktemp("example")
    project = image_spec(folder, f"{registry}/{folder.parent.name}-{os.getpid()}")
    project.env["FLYTE_INTERNAL_IMAGE"] = base
    yield project
    shutil.rmtree(folder)


@pytest.fixture(scope="module", name="built")
def _built(example: Project) -> str:
    """What ``pyflyte build`` says the first time."""
    done = example.pyflyte("build", "--remote", "image_spec.py", "wf")
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module", name="images")
def _images(example: Project, built: str) -> dict[str, str]:
    """Images by task, as the packaged templates name them."""
    from flyteidl.admin import task_pb2

    done = example.pyflyte("--pkgs", "image_spec", "package", "--output", "flyte.tgz")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("found. Skip building.") == 2, done.stdout
    images = {}
    with tarfile.open(example.folder / "flyte.tgz") as archive:
        for name in archive.getnames():
            member = archive.extractfile(name)
            if member is None or name.endswith("wf_2.pb") or "wf" in name:
                continue
            spec = task_pb2.TaskSpec.FromString(member.read())
            images[spec.template.id.name] = spec.template.container.image
    return images


@pytest.fixture(scope="module", name="lists")
def _lists(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> PulledImage:
    return pull(images["image_spec.smallest"], tmp_path_factory.mktemp("lists") / "root")


def test_build_makes_all_images_of_a_workflow_at_once(built: str) -> None:
    """The second image is done when flytekit asks for it: no step runs after the first answer."""
    last_step = max(built.rfind(" DONE "), built.rfind("exporting to image"))
    assert 0 < last_step < built.index(" built in ")
    assert built.count("not found. building...") == 2


def test_templates_name_images_with_tag_and_digest(images: dict[str, str]) -> None:
    """Found or built, an image goes into the template under tag and digest."""
    assert len(images) == 2
    assert all(image.rpartition("/")[2].count(":") == 2 for image in images.values())
    assert all("@sha256:" in image for image in images.values())


def test_image_is_as_flytes_own(lists: PulledImage) -> None:
    """User, directory, PYTHONPATH, id and label are there; the source belongs to the user."""
    config = lists.config["config"]
    assert config["User"] == "flytekit"
    assert config["WorkingDir"] == lists.env["PYTHONPATH"] == "/root"
    assert lists.env["_F_IMG_ID"]
    assert "org.buildkit-spec.builder" in config["Labels"]
    owner = lists.run("/usr/bin/id", "-u", "flytekit").stdout.strip()
    assert str(lists.path("/root/image_spec.py").stat().st_uid) == owner


def test_task_runs_in_its_image(lists: PulledImage) -> None:
    """``pyflyte-execute`` runs a task, whose import stands behind ``is_container()``."""
    from flyteidl.core import literals_pb2

    def scalar(value: int) -> literals_pb2.Literal:
        primitive = literals_pb2.Primitive(integer=value)
        return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=primitive))

    numbers = literals_pb2.Literal(
        collection=literals_pb2.LiteralCollection(literals=[scalar(5), scalar(2), scalar(9)])
    )
    inputs = literals_pb2.LiteralMap(literals={"numbers": numbers})
    lists.path("/tmp/inputs.pb").write_bytes(inputs.SerializeToString())
    mount(lists)
    done = lists.run(
        *["pyflyte-execute", "--inputs", "/tmp/inputs.pb", "--output-prefix", "/tmp/out"],
        *["--raw-output-data-prefix", "/tmp/raw", "--checkpoint-path", "/tmp/check"],
        *["--resolver", "flytekit.core.python_auto_container.default_task_resolver", "--"],
        *["task-module", "image_spec", "task-name", "smallest"],
    )
    written = lists.path("/tmp/out/outputs.pb")
    assert written.exists(), done.stdout + done.stderr
    outputs = literals_pb2.LiteralMap.FromString(written.read_bytes())
    assert outputs.literals["o0"].scalar.primitive.integer == 2


def test_run_builds_the_image_of_a_yaml_file(example: Project, images: dict[str, str]) -> None:
    """``pyflyte run --image FILE`` builds what the guide's YAML says, and the workflow runs."""
    done = example.pyflyte(
        *["run", "--image", "image.yaml", "image_spec.py", "wf"],
        env={"BUILDKIT_SPEC_FLYTE_DEFAULT": "true"},
    )
    assert done.returncode == 0, done.stdout
    assert "/flytekit:" in done.stdout
    assert done.stdout.rstrip().endswith("hello: 1")


def test_yaml_file_is_built_without_flyte(example: Project) -> None:
    """The same file goes through ``buildkit-spec build`` as it is, whatever builder it names."""
    example.write(
        "envd.yaml", f"{(example.folder / 'image.yaml').read_text()}  N: 3\nbuilder: envd\n"
    )
    for file in ("image.yaml", "envd.yaml"):
        done = subprocess.run(
            [sys.executable, "-m", "buildkit_spec", "build", file, "--set", "name=alone"],
            cwd=example.folder,
            env={**os.environ, **example.env},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        image = pull(done.stdout.strip(), example.folder / f"{file}-root")
        assert image.env["Debug"] == "True"
        assert image.run("python3", "-c", "import sortedcontainers").returncode == 0
    assert image.env["N"] == "3"
    assert "builder envd is flytekit's" in done.stderr


def test_failing_build_is_one_clear_error(example: Project) -> None:
    """pyflyte says which step failed and what it printed, once, without a traceback."""
    example.write("nested.py", _nested(example, 'commands=["echo no such luck >&2; exit 7"]'))
    done = example.pyflyte("build", "--fast", "nested.py", "wf")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    assert done.stdout.count("ended with exit code 7") == 1
    assert "commands[0]" in done.stdout
    assert "no such luck" in done.stdout


def test_force_push_builds_over_what_is_there_on_a_base_that_is_a_spec(example: Project) -> None:
    """The base, which the failing image left, is built over; what is on it is built then."""
    example.write("nested.py", _nested(example, 'env={"A": "two words"}'))
    force = {"FLYTE_FORCE_PUSH_IMAGE_SPEC": "True"}
    done = example.pyflyte("build", "--fast", "nested.py", "wf", env=force)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Overwriting existing image") == 1, done.stdout
    assert done.stdout.count("not found. building...") == 1, done.stdout


def test_oldest_flytekit_builds_the_same_images(example: Project, images: dict[str, str]) -> None:
    """flytekit 1.14.0 hashes other tags, but finds the plugin; all steps are in the cache."""
    done = example.pyflyte("build", "image_spec.py", "wf", python=old_flytekit())
    assert done.returncode == 0, done.stdout
    told = [line for line in done.stdout.splitlines() if " built in " in line]
    cached = [line.rpartition("; ")[2].split() for line in told]
    assert len(told) == len(images)
    assert all(words[0] == words[2] for words in cached), told


def _nested(example: Project, fields: str) -> str:
    text = (example.folder / "image_spec.py").read_text(encoding="utf-8")
    registry = next(line for line in text.splitlines() if line.startswith("REGISTRY"))
    return f"""from flytekit import ImageSpec, task, workflow
{registry}
under = ImageSpec(name="under", builder="buildkit", commands=["true"], registry=REGISTRY)
image = ImageSpec(name="one", builder="buildkit", base_image=under, registry=REGISTRY, {fields})

@task(container_image=image)
def one() -> int:
    return 1

@workflow
def wf() -> int:
    return one()
"""
