"""Reading the resolver's answer: every kind of source that PEP 751 knows."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkit_spec.errors import GraphError
from buildkit_spec.plan.lock import LockedPackage, read_lock

A, B = "a" * 64, "b" * 64
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def answer(*entries: str, sizes: dict[str, int] | None = None) -> bytes:
    """What the program in the build writes, for the packages of a lock."""
    text = 'lock-version = "1.0"\n' + "".join(f"[[packages]]\n{entry}\n" for entry in entries)
    return json.dumps({"lock": text, "sizes": sizes or {}}).encode()


def only(entry: str, *, directory: str = "", sizes: dict[str, int] | None = None) -> LockedPackage:
    lock = read_lock(answer(entry, sizes=sizes), directory=directory)
    assert lock is not None
    (package,) = lock.packages
    return package


def test_wheel_is_pinned_with_the_hashes_of_all_its_files() -> None:
    """Nothing else than what the resolver saw can be installed."""
    package = only(
        'name = "six"\nversion = "1.17.0"\n'
        f'wheels = [{{ url = "https://i.test/s-2.whl", size = 11, hashes = {{ sha256 = "{B}" }} }},'
        f' {{ url = "https://i.test/s-3.whl", size = 12, hashes = {{ sha256 = "{A}" }} }}]'
    )

    assert package.is_wheel
    assert package.size_bytes == 12
    assert package.requirement == f"six==1.17.0 --hash=sha256:{A} --hash=sha256:{B}"
    assert package.title == "six 1.17.0"


def test_size_that_the_lock_lacks_is_what_the_index_said() -> None:
    """It is asked by hash; nobody knows it: 0."""
    entry = f'name = "x"\nversion = "1"\nwheels = [{{ url = "u", hashes = {{ sha256 = "{A}" }} }}]'

    assert only(entry, sizes={A: 77}).size_bytes == 77
    assert only(entry).size_bytes == 0


def test_source_distribution_is_built() -> None:
    """It is no wheel, and verified as well."""
    package = only(
        'name = "docopt"\nversion = "0.6.2"\n'
        f'sdist = {{ url = "https://i.test/d.tar.gz", hashes = {{ sha256 = "{A}" }} }}'
    )

    assert not package.is_wheel
    assert package.requirement == f"docopt==0.6.2 --hash=sha256:{A}"


@pytest.mark.parametrize(("file", "is_wheel"), [("x-1-py3-none-any.whl", True), ("x.zip", False)])
def test_archive_at_a_url_is_named_by_it(file: str, is_wheel: bool) -> None:
    """A direct reference, with its hash."""
    package = only(
        'name = "x"\nversion = "1"\n'
        f'archive = {{ url = "https://f.test/{file}", hashes = {{ sha256 = "{A}" }} }}'
    )

    assert package.is_wheel == is_wheel
    assert package.requirement == f"x @ https://f.test/{file} --hash=sha256:{A}"


def test_archive_keeps_the_folder_of_the_project_in_it() -> None:
    """Source: PEP 751, ``packages.archive.subdirectory``."""
    package = only(
        'name = "x"\nversion = "1"\narchive = { url = "https://f.test/x.zip", '
        f'subdirectory = "py/x", hashes = {{ sha256 = "{A}" }} }}'
    )

    assert package.requirement.startswith("x @ https://f.test/x.zip#subdirectory=py/x ")


def test_archive_on_disk_is_named_by_its_absolute_path_with_its_hash() -> None:
    """Paths in a lock start where the lock stands."""
    package = only(
        'name = "x"\nversion = "1"\n'
        f'archive = {{ path = "../mnt/x-1-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}',
        directory="/tmp/lock",
    )

    assert not package.is_wheel
    assert package.path == "/tmp/mnt/x-1-py3-none-any.whl"
    assert package.requirement == f"x @ file:///tmp/mnt/x-1-py3-none-any.whl --hash=sha256:{A}"


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ('url = "https://g.test/x.git"', f"git+https://g.test/x.git@{COMMIT}"),
        ('path = "/src/x"', f"git+file:///src/x@{COMMIT}"),
        (
            'url = "https://g.test/x.git", subdirectory = "py"',
            f"git+https://g.test/x.git@{COMMIT}#subdirectory=py",
        ),
    ],
)
def test_version_control_is_pinned_to_the_commit(where: str, source: str) -> None:
    """A branch would be another thing tomorrow; it has no hash of its own."""
    package = only(
        f'name = "x"\nvcs = {{ type = "git", {where}, requested-revision = "main", '
        f'commit-id = "{COMMIT}" }}'
    )

    assert not package.is_wheel
    assert (package.requirement, package.title) == (f"x @ {source}", "x")


@pytest.mark.parametrize(
    ("path", "options", "line"),
    [
        ("../run/app", "", "x @ file:///dev/run/app"),
        ("./app", ", editable = false", "x @ file:///dev/shm/app"),
        ("/app", ", editable = true", "-e /app"),
    ],
)
def test_directory_is_named_by_its_absolute_path(path: str, options: str, line: str) -> None:
    """Editable ones are used where they stand."""
    package = only(f'name = "x"\ndirectory = {{ path = "{path}"{options} }}', directory="/dev/shm")

    assert not package.is_wheel
    assert package.requirement == line


def test_packages_are_in_the_order_of_their_names() -> None:
    """Whatever the resolver's order is, the graph is the same."""
    entries = [
        f'name = "{name}"\nversion = "1"\nsdist = {{ url = "u", hashes = {{}} }}' for name in "bca"
    ]
    lock = read_lock(answer(*entries))

    assert lock is not None
    assert [package.name for package in lock.packages] == ["a", "b", "c"]


def test_hashes_of_the_user_take_the_place_of_the_index() -> None:
    """What the user's file allows is verified, not what the index says today."""
    wheel = f'version = "1"\nwheels = [{{ url = "u", hashes = {{ sha256 = "{A}" }} }}]'
    hashes = {"x": frozenset({f"sha256:{B}", "sha512:cc"})}
    lock = read_lock(answer(f'name = "x"\n{wheel}', f'name = "y"\n{wheel}'), hashes=hashes)

    assert lock is not None
    assert [package.hashes for package in lock.packages] == [
        (f"sha256:{B}", "sha512:cc"),
        (f"sha256:{A}",),
    ]


def test_answer_that_packages_must_be_built_is_no_lock() -> None:
    """The plan asks again with the system's packages there."""
    assert read_lock(b'{"needs_build": true}') is None


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"lock": "[[", "sizes": {}}',
        b'{"lock": 3, "sizes": {}}',
        b'{"lock": "packages = 3", "sizes": {}}',
        answer('version = "1"'),
        answer('name = "x"'),
        answer('name = "x"\nversion = "1"\nvcs = { type = "git" }'),
        answer('name = "x"\nversion = "1"\ndirectory = {}'),
        answer('name = "x"\nversion = "1"\narchive = {}'),
        answer('name = "x"\nversion = "1"\nwheels = 3'),
        answer('name = "x"\nversion = "1"\nwheels = [3]'),
    ],
)
def test_garbage_is_an_error_of_ours(garbage: bytes) -> None:
    """No answer makes a traceback."""
    with pytest.raises(GraphError):
        read_lock(garbage)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: answer(text)))
def test_any_bytes_are_a_lock_or_an_error_of_ours(data: bytes) -> None:
    """The answer comes from a container that anybody may have made."""
    with contextlib.suppress(GraphError):
        read_lock(data)
