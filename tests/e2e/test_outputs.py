"""What becomes of an image: archives, directories, the Docker Engine, and files that tell of it."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import socket
import stat
import subprocess
import sys
import tarfile
import uuid
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from making import MakeSpec, Pulled
from pulled import ACCEPT, get

from buildkit_spec import BuildkitBuilder, BuildResult, ImageSpec, parse_output
from buildkit_spec.client import Address
from buildkit_spec.client.docker_stream import open_docker_stream
from buildkit_spec.client.relay import Relay
from buildkit_spec.client.sockets import connect
from buildkit_spec.errors import (
    ExecError,
    InvalidValueError,
    SessionError,
    UnsupportedCapabilityError,
)
from buildkit_spec.values import Reference

MADE = """mkdir -m 1777 /made /made/deep && cd /made && printf data > file && chmod 4750 file
ln file second && ln -s /etc/passwd absolute && ln -s ../../.. outside && mkfifo -m 640 pipe
touch 'a b' '…' 'back\\slash' && mkdir -m 500 deep/closed
touch -d @100000000.25 deep/closed/old"""


def cli(*args: str, **options: Any) -> subprocess.CompletedProcess[Any]:
    command = [sys.executable, "-m", "buildkit_spec", *args]
    return subprocess.run(command, stderr=subprocess.PIPE, check=False, **options)


def unique(spec: MakeSpec, *commands: str, **fields: Any) -> ImageSpec:
    """A spec with a layer that no other build has."""
    return spec(commands=[f"echo {uuid.uuid4()} > /unique", *commands], **fields)


def made(builder: BuildkitBuilder, spec: ImageSpec, *texts: str) -> BuildResult:
    return builder.build(spec, outputs=[parse_output(text) for text in texts])


@pytest.fixture(name="spec_file")
def _spec_file(spec: MakeSpec, tmp_path: Path) -> Path:
    one = unique(spec)
    path = tmp_path / "image.yaml"
    fields = {"name": one.name, "registry": one.registry, "base_image": one.base_image}
    path.write_text(json.dumps({**fields, "commands": list(one.commands)}))
    return path


class Layout:
    """An archive of an image layout, and what its own digests say of it."""

    def __init__(self, data: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            self.files = {
                one.name: archive.extractfile(one).read()  # type: ignore[union-attr]
                for one in archive
                if one.isfile()
            }
        for name, content in self.files.items():
            if name.startswith("blobs/sha256/"):
                assert hashlib.sha256(content).hexdigest() == name.rpartition("/")[2]
        self.index = json.loads(self.files["index.json"])

    def blob(self, digest: str) -> bytes:
        return self.files[f"blobs/{digest.replace(':', '/')}"]

    def names(self, digest: str) -> set[str]:
        """Paths in the layers of a manifest."""
        found: set[str] = set()
        for layer in json.loads(self.blob(digest))["layers"]:
            with tarfile.open(fileobj=io.BytesIO(self.blob(layer["digest"]))) as archive:
                found |= set(archive.getnames())
        return found


def test_oci_archive_is_a_whole_image(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path
) -> None:
    """Every blob has its digest, the manifest is the one that the result tells, with its name."""
    image = unique(spec, "echo made > /made")
    result = made(builder, image, f"type=oci,dest={tmp_path}/a.tar")
    layout = Layout((tmp_path / "a.tar").read_bytes())
    (entry,) = layout.index["manifests"]

    assert entry["digest"] == str(result.digest)
    assert entry["annotations"]["io.containerd.image.name"] == image.image_name()
    assert "made" in layout.names(entry["digest"])
    assert json.loads(layout.blob(entry["digest"]))["config"]["digest"] == str(result.config_digest)
    assert not result.was_pushed
    assert not builder.exists(image)


def test_oci_archive_has_all_platforms(
    builder: BuildkitBuilder, spec: MakeSpec, multi_base: str, tmp_path: Path
) -> None:
    """One index with both, and no step is run for it."""
    image = spec(
        base_image=multi_base,
        platform=["linux/amd64", "linux/arm64"],
        env={"A": str(uuid.uuid4())},
    )
    result = made(builder, image, f"type=oci,dest={tmp_path}/a.tar")
    layout = Layout((tmp_path / "a.tar").read_bytes())
    index = json.loads(layout.blob(str(result.digest)))

    assert {one["platform"]["architecture"] for one in index["manifests"]} == {"amd64", "arm64"}


def test_docker_archive_is_refused_for_several_platforms(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path
) -> None:
    """Before anything is built, with what to write instead."""
    image = spec(platform=["linux/amd64", "linux/arm64"])
    with pytest.raises(UnsupportedCapabilityError, match="one platform") as caught:
        made(builder, image, f"type=docker,dest={tmp_path}/a.tar")

    assert "type=oci" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def engine(method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Ask the Docker Engine that builds."""
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.environ["DOCKER_HOST"].removeprefix("unix://"))
    try:
        connection.request(method, path, body, {"Content-Type": "application/x-tar"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def loaded_id(name: str) -> str | None:
    """The id of an image that the Engine has under a name."""
    status, body = engine("GET", f"/images/{quote(name)}/json")
    return json.loads(body)["Id"] if status == 200 else None


def test_docker_archive_is_loaded_by_docker(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path
) -> None:
    """Under the names that the output says, here two of them."""
    names = [f"loaded/{uuid.uuid4().hex[:12]}:{tag}" for tag in ("one", "two")]
    text = f"type=docker,dest={tmp_path}/a.tar,name={names[0]},name={names[1]}"
    result = made(builder, unique(spec), text)
    status, said = engine("POST", "/images/load", (tmp_path / "a.tar").read_bytes())

    assert status == 200, said
    assert {loaded_id(name) for name in names} == {str(result.digest)}


def test_load_puts_the_image_into_the_engine_that_builds(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """By its own name, or another; nothing is pushed."""
    image = unique(spec)
    name = f"loaded/{uuid.uuid4().hex[:12]}:1"
    result = made(builder, image, "type=load")
    made(builder, image, f"type=load,name={name}")

    assert loaded_id(image.image_name()) == loaded_id(name) == str(result.digest)
    assert not builder.exists(image)


def test_load_takes_the_image_from_another_daemon(spec: MakeSpec) -> None:
    """A daemon that is in no Engine sends it, and the Engine of the docker client loads it."""
    address = Address("docker", os.environ["DOCKER_HOST"].removeprefix("unix://"))
    relay = Relay(partial(open_docker_stream, address, 10, partial(connect, address, 10)))
    try:
        # The Engine's BuildKit without the Engine: a plain socket that speaks gRPC.
        builder = BuildkitBuilder(f"unix://{relay.path}")
        name = f"loaded/{uuid.uuid4().hex[:12]}:1"
        result = made(builder, unique(spec), f"type=load,name={name}")
    finally:
        relay.close()

    assert loaded_id(name) == str(result.digest)


def tree_of(archive: tarfile.TarFile) -> dict[str, tuple[str, int, str]]:
    """Kind, mode and link of every path, without ``/dev`` and the mount points of steps."""
    kinds = {
        tarfile.REGTYPE: stat.S_IFREG,
        tarfile.DIRTYPE: stat.S_IFDIR,
        tarfile.SYMTYPE: stat.S_IFLNK,
        tarfile.FIFOTYPE: stat.S_IFIFO,
    }
    found = {}
    for one in archive:
        kind = kinds[tarfile.REGTYPE if one.islnk() else one.type]
        link = one.linkname if one.issym() else ""
        found[one.name.rstrip("/")] = (oct(kind | one.mode), int(one.mtime), link)
    return found


def tree_at(root: Path) -> dict[str, tuple[str, int, str]]:
    found = {}
    for path in root.rglob("*"):
        status = path.lstat()
        link = str(path.readlink()) if path.is_symlink() else ""
        mode = status.st_mode & ~0o777 | 0o777 if path.is_symlink() else status.st_mode
        found[str(path.relative_to(root))] = (oct(mode), int(status.st_mtime), link)
    return found


def test_local_directory_and_tar_are_the_images_files(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path, pulled: Pulled
) -> None:
    """Names, kinds, modes, times, links and contents: all as in the image that is pushed."""
    image = unique(spec, MADE)
    tar, out = tmp_path / "a.tar", tmp_path / "out"
    result = made(builder, image, f"type=tar,dest={tar}", str(out), "type=image,push=true")
    with tarfile.open(tar) as archive:
        expected = tree_of(archive)
    rootfs = pulled(result).rootfs

    assert tree_at(out) == expected
    assert set(tree_at(out)) == set(tree_at(rootfs))
    assert (out / "made/file").read_text() == "data"
    assert (out / "made/file").stat().st_mode == stat.S_IFREG | 0o4750
    assert (out / "made/file").samefile(out / "made/second")
    assert (out / "made/outside").readlink() == Path("../../..")
    assert (out / "made/back\\slash").is_file()
    assert (out / "made/deep/closed/old").stat().st_mtime_ns == 100_000_000_250_000_000
    different = [
        name
        for name in sorted(expected)
        if (out / name).is_file()
        and not (out / name).is_symlink()
        and (out / name).read_bytes() != (rootfs / name).read_bytes()
    ]
    assert different == []


def test_local_directory_has_a_folder_for_each_platform(
    builder: BuildkitBuilder, spec: MakeSpec, multi_base: str, tmp_path: Path
) -> None:
    """Or all in one, where the output says so and no file is in both."""
    image = spec(
        base_image=multi_base,
        platform=["linux/amd64", "linux/arm64"],
        env={"A": str(uuid.uuid4())},
    )
    made(builder, image, str(tmp_path / "out"))

    folders = {one.name: one for one in (tmp_path / "out").iterdir()}
    assert set(folders) == {"linux_amd64", "linux_arm64"}
    assert all((one / "etc/os-release").exists() for one in folders.values())


def test_directory_is_built_into_again(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path
) -> None:
    """What is new is there, what was there and is not in the image stays."""
    out = tmp_path / "out"
    made(builder, unique(spec, MADE), str(out))
    before = (out / "unique").read_text()
    (out / "mine").write_text("mine")
    made(builder, unique(spec, MADE), str(out))

    assert (out / "unique").read_text() != before
    assert (out / "mine").read_text() == "mine"
    assert (out / "made/deep/closed/old").is_file()


def contents(root: Path) -> dict[str, object]:
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
    }


def test_failed_build_leaves_everything_as_it_was(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path
) -> None:
    """The old archive, the old directory, and no trace of new ones."""
    (tmp_path / "old").mkdir()
    (tmp_path / "old/file").write_text("old")
    (tmp_path / "old.tar").write_text("old")
    before = contents(tmp_path)
    texts = [f"type=oci,dest={tmp_path}/old.tar", f"type=tar,dest={tmp_path}/new.tar"]
    texts += [str(tmp_path / "old"), str(tmp_path / "new")]
    with pytest.raises(ExecError):
        made(builder, unique(spec, "exit 3"), *texts)

    assert contents(tmp_path) == before


def test_result_that_cannot_be_put_in_place_leaves_the_others(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path
) -> None:
    """A directory is in the way of a file of the image: told after the build, nothing changed."""
    (tmp_path / "out/unique").mkdir(parents=True)
    (tmp_path / "old.tar").write_text("old")
    before = contents(tmp_path)
    with pytest.raises(SessionError, match="unique is a directory"):
        made(builder, unique(spec), str(tmp_path / "out"), f"type=tar,dest={tmp_path}/old.tar")

    assert contents(tmp_path) == before


@pytest.mark.parametrize("text", ["type=oci,dest={0}/none/a.tar", "type=tar,dest={0}", "{0}/file"])
def test_place_that_cannot_be_written_is_told_before_the_build(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path, text: str
) -> None:
    """No such directory, a directory for a file, a file for a directory."""
    (tmp_path / "file").write_text("")
    updates: list[object] = []
    with pytest.raises(SessionError, match="cannot write to"):
        builder.build(
            spec(), outputs=[parse_output(text.format(tmp_path))], on_status=updates.append
        )

    assert updates == []


@pytest.mark.parametrize("texts", [["-", "type=oci"], ["x", "./x"], ["type=tar,dest=x", "x"]])
def test_two_outputs_for_one_place_are_refused(
    builder: BuildkitBuilder, spec: MakeSpec, texts: list[str]
) -> None:
    """Which of them would be there is chance."""
    with pytest.raises(InvalidValueError, match="same place"):
        made(builder, spec(), *texts)


def test_image_has_several_names(builder: BuildkitBuilder, spec: MakeSpec, registry: str) -> None:
    """All are pushed; when all are there, and the same, nothing is built again."""
    image = unique(spec)
    names = [f"{registry}/names-{uuid.uuid4().hex[:12]}/{tag}:1" for tag in ("one", "two")]
    text = "type=image,push=true," + ",".join(f"name={name}" for name in names)
    first = made(builder, image, text)
    second = made(builder, image, text)

    assert first.reference == Reference.parse(f"{names[0]}@{first.digest}")
    for name in names:
        assert builder.registry.digest(Reference.parse(name)) == first.digest
    assert (second.was_built, second.reference) == (False, first.reference)
    assert not builder.exists(image)


def test_image_is_pushed_by_digest_alone(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """The registry has it, and no tag of it."""
    image = unique(spec)
    result = made(builder, image, "type=image,push=true,push-by-digest=true")
    host, repository = result.reference.registry, result.reference.repository

    assert result.reference.tag == ""
    assert get(f"http://{host}/v2/{repository}/manifests/{result.digest}", ACCEPT)
    assert not builder.exists(image)


@pytest.mark.parametrize("text", ["type=oci", "-", "type=docker,dest=-"])
def test_archive_goes_down_a_pipe(spec_file: Path, text: str) -> None:
    """Nothing else goes there; the name and the progress are on standard error."""
    arguments = ["build", str(spec_file), "--output", text, "--progress", "plain"]
    done = cli(*arguments, stdout=subprocess.PIPE)

    assert done.returncode == 0, done.stderr
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        names = archive.getnames()
    assert names[-1] == "oci-layout" or "unique" in names or "manifest.json" in names
    assert b"/image:" in done.stderr


def test_archive_is_not_written_to_a_terminal(spec_file: Path) -> None:
    """It would be noise there; nothing is built."""
    leader, terminal = os.openpty()
    try:
        done = cli("build", str(spec_file), "--oci", "-", "--progress", "plain", stdout=terminal)
    finally:
        os.close(terminal)
        os.close(leader)

    assert done.returncode == 1
    assert b"terminal" in done.stderr
    assert b"docker load" in done.stderr


def test_reader_that_goes_away_fails_the_build(spec_file: Path) -> None:
    """A pipe that is closed is told as one, not as a bug."""
    reader, writer = os.pipe()
    os.close(reader)
    done = cli("build", str(spec_file), "-o", "-", "--progress", "quiet", stdout=writer)
    os.close(writer)

    assert done.returncode == 1
    assert b"broken pipe" in done.stderr
    assert b"Traceback" not in done.stderr


def test_metadata_and_id_are_written(spec_file: Path, tmp_path: Path) -> None:
    """By buildx's names; also of an image that was there, and not of a build that failed."""
    told, image_id = tmp_path / "told.json", tmp_path / "id"
    files = ["--metadata-file", str(told), "--iidfile", str(image_id)]
    assert cli("build", str(spec_file), *files).returncode == 0
    first, first_id = json.loads(told.read_text()), image_id.read_text()
    assert cli("build", str(spec_file), *files).returncode == 0
    second = json.loads(told.read_text())

    assert first["containerimage.config.digest"] == first_id == image_id.read_text()
    assert first["containerimage.descriptor"]["digest"] == first["containerimage.digest"]
    assert first["buildkit-spec.ref"]
    assert second == {name: first[name] for name in ("containerimage.digest", "image.name")}
    told.write_text("old")
    spec_file.write_text(spec_file.read_text().replace("echo", "exit"))
    assert cli("build", str(spec_file), *files).returncode == 1
    assert told.read_text() == "old"


def test_push_and_archive_are_one_build(spec_file: Path, tmp_path: Path) -> None:
    """`--push` adds to the outputs, `--oci` alone does not push."""
    archive = tmp_path / "a.tar"
    alone = cli("build", str(spec_file), "--oci", str(archive), stdout=subprocess.PIPE, text=True)
    assert alone.returncode == 0, alone.stderr
    absent = cli("exists", str(spec_file), stdout=subprocess.PIPE)
    both = cli("build", str(spec_file), "--oci", str(archive), "--push", stdout=subprocess.PIPE)
    there = cli("exists", str(spec_file), stdout=subprocess.PIPE)

    assert (absent.returncode, both.returncode, there.returncode) == (1, 0, 0)
    (entry,) = Layout(archive.read_bytes()).index["manifests"]
    assert both.stdout.decode().strip().endswith(entry["digest"])
