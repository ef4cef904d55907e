"""What a spec wants of Python: locks become pinned lines, hashes are found where they stand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from buildkit_spec import ImageSpec, llb
from buildkit_spec.errors import SpecValidationError
from buildkit_spec.llb import State
from buildkit_spec.plan import ImageConfig, Settings
from buildkit_spec.plan.locking import Located, Wanted
from buildkit_spec.plan.pinned import from_pylock
from buildkit_spec.plan.probe import Probe
from buildkit_spec.plan.steps import Context
from buildkit_spec.plan.wanted import hash_problems, wanted_of, with_hashes
from buildkit_spec.spec import RequirementFile
from buildkit_spec.values import Platform, Reference, ResolvedImage

A, B, C = "a" * 64, "b" * 64, "c" * 64

PYLOCK = f"""
lock-version = "1.0"
[[packages]]
name = "six"
version = "1.17.0"
sdist = {{ url = "https://i.test/six.tar.gz", hashes = {{ sha256 = "{B}" }} }}
wheels = [{{ url = "https://i.test/six.whl", hashes = {{ sha256 = "{A}" }} }}]
[[packages]]
name = "colorama"
version = "0.4.6"
marker = "sys_platform == 'win32'"
wheels = [{{ url = "https://i.test/c.whl", hashes = {{ sha256 = "{C}" }} }}]
[[packages]]
name = "direct"
archive = {{ url = "https://f.test/d.zip", subdirectory = "py", hashes = {{ sha256 = "{C}" }} }}
[[packages]]
name = "mine"
vcs = {{ type = "git", url = "https://g.test/m", commit-id = "0f", subdirectory = "s" }}
[[packages]]
name = "project"
directory = {{ path = "." }}
"""


def lines(text: str) -> list[str]:
    file = from_pylock(RequirementFile("locks/pylock.toml", text.encode(), is_root=True)).file
    assert (file.path, file.is_root) == ("locks/pylock.txt", True)
    return file.content.decode().splitlines()


def test_pylock_becomes_pinned_lines_with_markers_and_hashes() -> None:
    """Every source kind has its line; the project that the lock is of has none."""
    assert lines(PYLOCK) == [
        f"six==1.17.0 --hash=sha256:{A} --hash=sha256:{B}",
        f"colorama==0.4.6 ; sys_platform == 'win32' --hash=sha256:{C}",
        f"direct @ https://f.test/d.zip#subdirectory=py --hash=sha256:{C}",
        "mine @ git+https://g.test/m@0f#subdirectory=s",
    ]


def test_package_of_a_pylock_is_looked_up_in_its_own_index() -> None:
    """Its line has no hashes then, as it may stand in a project."""
    entry = PYLOCK.split("[[packages]]")[1].replace(
        "\nversion", '\nindex = "https://i.test"\nversion'
    )
    pinned = from_pylock(
        RequirementFile("pylock.toml", f'lock-version = "1.0"\n[[packages]]{entry}'.encode())
    )

    hashes = (f"sha256:{A}", f"sha256:{B}")
    assert pinned.located == (Located("six", "six==1.17.0", "https://i.test", hashes),)
    assert pinned.file.content == b""
    assert with_hashes(Wanted(located=pinned.located)).hashes == {"six": {*hashes}}


def test_pylock_says_nothing_of_logins_but_their_variables() -> None:
    """What a lock was made with is no part of it; what the user wrote is filled in by uv."""
    text = (
        'lock-version = "1.0"\n[[packages]]\nname = "x"\n'
        'vcs = { type = "git", url = "http://u:secret@g.test/x.git", commit-id = "0f" }'
    )
    file = RequirementFile("pylock.toml", text.encode(), is_root=True)

    assert from_pylock(file).file.content == b"x @ git+http://g.test/x.git@0f\n"
    known = {"http://g.test": "${TOKEN}"}
    assert from_pylock(file, known).file.content == b"x @ git+http://${TOKEN}@g.test/x.git@0f\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[[",
        'lock-version = "2.0"',
        "lock-version = 1",
        'lock-version = "1.0"\npackages = 3',
        'lock-version = "1.0"\n[[packages]]\nname = "x"',
    ],
)
def test_what_is_no_pylock_is_refused_with_its_name(text: str) -> None:
    """The remedy is a command that makes one."""
    with pytest.raises(SpecValidationError, match=r"locks/pylock\.toml"):
        lines(text)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_hashes_are_found_in_requirement_files(end: str) -> None:
    """On continued lines too, whatever ends a line; names are spelt in the one way."""
    text = end.join(
        [
            f"Ruamel.Yaml[jinja2]==0.18 ; python_version > '3' --hash=sha256:{A} \\",
            f"    --hash sha256:{B}  # both",
            f"plain==1  # --hash=sha256:{C}",
            f"# gone==1 --hash=sha256:{C}",
            f"direct @ https://f.test/d.zip#subdirectory=py --hash=sha512:{C}",
        ]
    )
    wanted = with_hashes(Wanted(files=(RequirementFile("r.txt", text.encode(), is_root=True),)))

    assert wanted.hashes == {
        "ruamel-yaml": {f"sha256:{A}", f"sha256:{B}"},
        "direct": {f"sha512:{C}"},
    }


def test_hashes_of_several_files_are_all_allowed() -> None:
    """A package that two files name may be either's."""
    files = tuple(
        RequirementFile(f"{one}.txt", f"six==1 --hash=sha256:{one * 64}".encode()) for one in "ab"
    )

    assert with_hashes(Wanted(files=files)).hashes == {"six": {f"sha256:{A}", f"sha256:{B}"}}


def test_package_without_hash_beside_some_with_is_a_problem() -> None:
    """As with pip: one hash, and everything must have one."""
    wanted = Wanted(hashes={"six": frozenset({f"sha256:{A}"})})

    (problem,) = hash_problems(["six", "extra"], wanted)

    assert (problem.field, "extra" in problem.message) == ("requirements", True)
    assert hash_problems(["six", "extra"], Wanted()) == []


Make = Callable[..., ImageSpec]


@pytest.fixture(name="make")
def _make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.chdir(tmp_path)
    return lambda **fields: ImageSpec(name="x", base_image="scratch", **fields)


class NoAnswers:
    """Nobody is asked: no lock of a project is read here."""

    def resolve_image(self, reference: Reference, platform: Platform) -> ResolvedImage:
        raise NotImplementedError

    def read_file(self, state: State, path: str, platform: Platform) -> bytes:
        raise NotImplementedError

    def supports(self, capability: str) -> bool:
        return True


def asked(spec: ImageSpec) -> Wanted:
    """What the resolver is asked for a spec."""
    context = Context(spec, Platform("linux", "amd64"), Settings(), ImageConfig(), Probe())
    return wanted_of(context, NoAnswers(), llb.scratch())


def test_packages_are_sorted_and_named_once(make: Make) -> None:
    """Their order is not part of what is asked."""
    wanted = asked(make(packages=["six", "attrs", "six"]))

    assert (wanted.packages, wanted.is_complete) == (("attrs", "six"), False)


def test_lock_among_the_requirements_is_complete(make: Make, tmp_path: Path) -> None:
    """Nothing that it does not name is installed."""
    (tmp_path / "pylock.toml").write_text(PYLOCK)
    alone = asked(make(requirements="pylock.toml"))

    assert (alone.roots, alone.is_complete) == (("pylock.txt",), True)


def test_lock_beside_the_spec_counts_while_it_fits(make: Make, tmp_path: Path) -> None:
    """Of one that was made from something else, the versions are preferred."""
    (tmp_path / "image.pylock.toml").write_text(PYLOCK)
    spec = make(packages=["six"]).with_lock(tmp_path / "image.pylock.toml")
    wanted = asked(spec)

    assert (wanted.packages, wanted.is_complete) == (("six",), False)
    assert wanted.preferences == {"six": "1.17.0", "colorama": "0.4.6"}
