"""Named builders: the user's file, the project's choice, which of them goes first, and edits."""

from __future__ import annotations

import re
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkit_spec.client import Address, Endpoint, Tls, Wish, find_endpoint
from buildkit_spec.client.configuration import load_configuration
from buildkit_spec.client.configuration_edit import add_builder, remove_builder, use_builder
from buildkit_spec.client.named_builder import decode
from buildkit_spec.errors import (
    InvalidAddressError,
    InvalidValueError,
    SpecError,
    SpecSyntaxError,
    SpecValidationError,
)
from buildkit_spec.spec.problems import Refusal
from buildkit_spec.values import Platform

FILE = """\
# Our machines.
builder = "lab"  # mine

# It is slow.
[builders.lab]
address = ["tcp://one:1234", "tcp://two:1234"]  # in two rooms
platform = "arm64"
insecure = true

# The one in the cluster.
[builders.cluster]
address = "kube-pod://builder-0?namespace=ci"

[builders.cluster.tls]
ca = "certs/ca.pem"
server_name = "builder"

# The end.
"""


@pytest.fixture(name="env")
def _env(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home")}


@pytest.fixture(name="file")
def _file(env: dict[str, str]) -> Path:
    """The user's file."""
    file = Path(env["HOME"]) / ".config" / "buildkit-spec" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(FILE)
    return file


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def test_file_is_read(env: dict[str, str], file: Path) -> None:
    """All that a builder may have; relative paths begin in the file's folder."""
    found = load_configuration(env)

    assert found.current == "lab"
    lab, cluster = found.named("lab"), found.named("cluster")
    assert [str(one) for one in lab.addresses] == ["tcp://one:1234", "tcp://two:1234"]
    assert lab.platforms == (Platform("linux", "arm64"),)
    assert lab.is_insecure
    assert cluster.addresses == (Address.parse("kube-pod://builder-0?namespace=ci"),)
    assert cluster.tls == Tls(ca=file.parent / "certs" / "ca.pem", server_name="builder")


def test_directory_of_certificates_is_read_when_it_is_used(
    env: dict[str, str], file: Path, tmp_path: Path
) -> None:
    """A builder whose certificates are not there does not hinder the others."""
    (tmp_path / "certs").mkdir()
    file.write_text(f'[builders.lab]\naddress = "tcp://one:1"\ntls = "{tmp_path}/certs"\n')
    lab = load_configuration(env).named("lab")

    (tmp_path / "certs" / "ca.pem").touch()

    assert lab.certificates() == Tls(tmp_path / "certs" / "ca.pem")


def test_xdg_config_home_is_honoured(env: dict[str, str], file: Path, tmp_path: Path) -> None:
    """The file lies in XDG_CONFIG_HOME, if that is an absolute path."""
    file.parent.rename(tmp_path / "buildkit-spec")

    assert load_configuration({**env, "XDG_CONFIG_HOME": str(tmp_path)}).current == "lab"
    assert load_configuration({**env, "XDG_CONFIG_HOME": "here"}).current == ""
    assert load_configuration(env).builders == {}


def test_all_problems_are_told_at_once_with_their_lines(env: dict[str, str], file: Path) -> None:
    """Everything that is wrong is told in one error, each with line and what was meant."""
    file.write_text(
        'buidler = "x"\n'
        "[builders.a]\n"
        'adress = "tcp://one:1"\n'
        "\n"
        "[builders.b]\n"
        'address = ["tcp://one:1", "nowhere"]\n'
        'insecure = "yes"\n'
        "[builders.b.tls]\n"
        'cert = "cert.pem"\n'
        "[builders.c]\n"
        'address = "tcp://one:1"\n'
        'platform = ["linux/"]\n'
        "tls = {key = 3}\n"
        '[builders."d e"]\n'
        'address = "tcp://one:1"\n'
    )

    with pytest.raises(SpecValidationError) as caught:
        load_configuration(env)

    told = {(one.line, one.field): f"{one.message} {one.remedy}" for one in caught.value.problems}
    assert told.keys() == {
        (1, "buidler"),
        (3, "builders.a.adress"),
        (2, "builders.a.address"),
        (6, "builders.b.address[1]"),
        (7, "builders.b.insecure"),
        (9, "builders.b.tls.cert"),
        (12, "builders.c.platform[0]"),
        (13, "builders.c.tls.key"),
        (14, "builders.d e"),
    }
    assert told[1, "buidler"].endswith("did you mean builder?")
    assert told[3, "builders.a.adress"].endswith("did you mean address?")
    assert f"{file}:6:1: builders.b.address[1]: 'nowhere'" in str(caught.value)


def test_current_builder_must_exist(env: dict[str, str], file: Path) -> None:
    """A file that chooses a builder which it does not have is wrong."""
    file.write_text('builder = "lba"\n[builders.lab]\naddress = "tcp://one:1"\n')

    with pytest.raises(SpecValidationError, match=r"there is no \[builders.lba\]"):
        load_configuration(env)


def test_file_that_is_no_toml_names_the_line(env: dict[str, str], file: Path) -> None:
    """What TOML's parser says is told with file, line and column."""
    file.write_text('builder = "lab"\n[builders\n')

    with pytest.raises(SpecSyntaxError, match=r"config.toml:2:10: is no TOML") as caught:
        load_configuration(env)

    assert caught.value.line == 2


def test_file_that_cannot_be_read_is_told(env: dict[str, str], file: Path) -> None:
    """A file of another kind or encoding is an error of ours."""
    file.write_bytes(b"\xff")
    with pytest.raises(SpecError, match="not utf-8"):
        load_configuration(env)

    file.unlink()
    file.mkdir()
    with pytest.raises(SpecError, match="is a directory"):
        load_configuration(env)


def test_precedence(env: dict[str, str], file: Path, project: Path) -> None:
    """Flags, then the environment, then the project, then the user's choice."""
    (project / "pyproject.toml").write_text('[tool.buildkit-spec]\nbuilder = "cluster"\n')
    env |= {"BUILDKIT_SPEC_BUILDER": "lab", "BUILDKIT_HOST": "tcp://env:1"}

    def find(**wish: str) -> Endpoint:
        return find_endpoint(Wish(**wish), env, folder=project)

    assert str(find(address="tcp://flag:1")) == "tcp://flag:1"
    assert find(address="tcp://flag:1").why == "it was given"
    assert find(builder="cluster").why == "the builder cluster was given"
    assert find().why == "the builder lab is named by BUILDKIT_SPEC_BUILDER"
    assert str(find()) == "tcp://one:1234, tcp://two:1234"
    assert find().is_insecure
    del env["BUILDKIT_SPEC_BUILDER"]
    assert find().why == "BUILDKIT_HOST is set"
    del env["BUILDKIT_HOST"]
    assert find().why == f"the builder cluster is named by {project}/pyproject.toml"
    (project / "pyproject.toml").write_text('[tool.buildkit-spec]\naddress = "unix:///x"\n')
    assert find() == Endpoint((Address("unix", "/x"),), f"{project}/pyproject.toml says so")
    (project / "pyproject.toml").unlink()
    assert find().why == f"the builder lab is the one in {file}"
    assert find().builder == "lab"


def test_files_are_not_read_where_they_do_not_count(
    env: dict[str, str], file: Path, project: Path
) -> None:
    """A file that is broken does not hinder who names an address."""
    file.write_text("[")
    (project / "pyproject.toml").write_text("[tool.buildkit-spec")

    assert str(find_endpoint(Wish("tcp://flag:1"), env, folder=project)) == "tcp://flag:1"
    assert str(find_endpoint(None, {"BUILDKIT_HOST": "tcp://e:1"}, folder=project)) == "tcp://e:1"


def test_address_and_builder_cannot_both_be_given(env: dict[str, str]) -> None:
    """Which one is meant is not guessed."""
    with pytest.raises(InvalidValueError, match="the one or the other"):
        find_endpoint(Wish("tcp://flag:1", "lab"), env)


def test_builder_that_does_not_exist_names_the_nearest(env: dict[str, str], file: Path) -> None:
    """A name that was mistyped is told with the one that was meant."""
    with pytest.raises(InvalidValueError, match="did you mean lab") as caught:
        find_endpoint(Wish(builder="lba"), env)

    assert caught.value.remedy == "buildkit-spec builders ls"


def test_several_addresses_are_separated_by_commas(env: dict[str, str]) -> None:
    """A comma before an address separates; one in a path does not."""
    found = find_endpoint(Wish("unix:///a,b.sock, tcp://one:1,tcp://two:2"), env)

    assert [str(one) for one in found.addresses] == [
        "unix:///a,b.sock",
        "tcp://one:1",
        "tcp://two:2",
    ]
    with pytest.raises(InvalidAddressError):
        find_endpoint(Wish("tcp://one:1,,tcp://two:2"), env)


def test_certificates_of_the_caller_go_first(env: dict[str, str], file: Path) -> None:
    """Certificates that are given replace those of the builder; what it is called stays."""
    given = Tls(ca=Path("/given.pem"))
    renamed = Tls(ca=Path("/given.pem"), server_name="builder")

    assert find_endpoint(Wish(builder="cluster", tls=given), env).tls == renamed
    assert find_endpoint(Wish(builder="lab", tls=given), env).tls == given


def test_project_is_that_of_the_repository(env: dict[str, str], project: Path) -> None:
    """The choice at the top of a repository holds in its folders; without one, only here."""
    (project / "pyproject.toml").write_text('[tool.buildkit-spec]\naddress = "unix:///x"\n')
    deep = project / "a" / "b"
    deep.mkdir(parents=True)
    (deep.parent / "pyproject.toml").write_text("[project]\nname = 'buildkit-spec'\n")
    env["BUILDKIT_HOST"] = ""

    sockets = {"buildkitd_socket": "/no/1", "docker_socket": "/no/2"}
    with pytest.raises(Exception, match="no BuildKit daemon"):
        find_endpoint(None, env, folder=deep, **sockets)
    (project / ".git").mkdir()
    assert str(find_endpoint(None, env, folder=deep)) == "unix:///x"


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("insecure = true", "insecure: unknown field"),
        ('tls = "certs"', "tls: unknown field"),
        ('builder = "lab"\naddress = "unix:///x"', "only one can be used"),
        ('address = "ssh://-oProxyCommand=x"', "must be ssh://"),
    ],
)
def test_project_chooses_and_no_more(
    env: dict[str, str], project: Path, section: str, told: str
) -> None:
    """What is checked out says neither which certificates to show nor that none are needed."""
    (project / "pyproject.toml").write_text(f"[tool.buildkit-spec]\n{section}\n")

    with pytest.raises(SpecValidationError, match=r"pyproject.toml:[23]:1") as caught:
        find_endpoint(None, env, folder=project)

    assert told in str(caught.value)


def test_builders_are_added_used_and_removed(env: dict[str, str]) -> None:
    """From no file to a file with the builder in use, and back to none."""
    add_builder(env, "lab", {"address": ["tcp://one:1"], "tls": {"ca": "/ca.pem"}})
    add_builder(env, "other", {"address": "tcp://two:2"}, is_used=True)
    found = load_configuration(env)
    assert list(found.builders) == ["lab", "other"]
    assert found.current == "other"
    assert found.named("lab").tls == Tls(ca=Path("/ca.pem"))
    assert stat.S_IMODE(found.path.stat().st_mode) == 0o600

    use_builder(env, "lab")
    use_builder(env, "lab")
    assert load_configuration(env).current == "lab"
    remove_builder(env, "lab")
    found = load_configuration(env)
    assert list(found.builders) == ["other"]
    assert found.current == ""


def test_edits_keep_the_users_own_text(env: dict[str, str], file: Path) -> None:
    """Comments, order and mode of the file stay; what is not touched is the same to the byte."""
    file.chmod(0o644)

    use_builder(env, "cluster")
    assert file.read_text() == FILE.replace('"lab"  # mine', '"cluster"  # mine')
    use_builder(env, "lab")
    add_builder(env, "new", {"address": "tcp://three:3"})
    assert file.read_text() == FILE + '\n[builders.new]\naddress = "tcp://three:3"\n'
    remove_builder(env, "lab")
    text = file.read_text()
    assert "# The one in the cluster.\n[builders.cluster]" in text
    assert "# Our machines.\n" in text
    assert "lab" not in text
    remove_builder(env, "cluster")
    assert file.read_text().endswith('address = "tcp://three:3"\n')
    assert "# The end.\n" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [one.name for one in file.parent.iterdir()] == ["config.toml"]


_NAMES = st.sampled_from(["a", "b", "c", "d-e", "builders"])
_STEPS = st.one_of(
    st.tuples(st.just("add"), _NAMES),
    st.tuples(st.just("use"), _NAMES),
    st.tuples(st.just("remove"), _NAMES),
)


@given(st.lists(_STEPS, max_size=12))
def test_edits_change_what_they_name_and_nothing_else(steps: list[tuple[str, str]]) -> None:
    """After any edits the file has the builders that a dictionary would have, and its comments."""
    expected, current = {"lab", "cluster"}, "lab"
    with tempfile.TemporaryDirectory() as home:
        env = {"XDG_CONFIG_HOME": home}
        file = Path(home) / "buildkit-spec" / "config.toml"
        file.parent.mkdir()
        file.write_text(FILE)
        for step, name in steps:
            if step == "add":
                add_builder(env, name, {"address": "unix:///x", "tls": {}}, is_replaced=True)
                expected.add(name)
            elif name in expected and step == "use":
                use_builder(env, name)
                current = name
            elif name in expected:
                remove_builder(env, name)
                expected.discard(name)
                current = "" if name == current else current
        found = load_configuration(env)
        assert found.builders.keys() == expected
        assert found.current == current
        for comment in re.findall(r"^# .*$", FILE, re.MULTILINE):
            assert found.text.count(comment) == 1


def test_link_to_the_file_stays_a_link(env: dict[str, str], file: Path, tmp_path: Path) -> None:
    """A file that is kept elsewhere, as dotfiles are, is changed where it is."""
    file.rename(tmp_path / "dotfile")
    file.symlink_to(tmp_path / "dotfile")

    use_builder(env, "cluster")

    assert file.is_symlink()
    assert 'builder = "cluster"' in (tmp_path / "dotfile").read_text()


def test_builder_is_replaced_only_on_demand(env: dict[str, str], file: Path) -> None:
    """A name that is taken is refused, unless it is to be replaced."""
    with pytest.raises(InvalidValueError, match="there is a builder of this name"):
        add_builder(env, "lab", {"address": "tcp://new:1"})
    assert file.read_text() == FILE

    add_builder(env, "lab", {"address": "tcp://new:1"}, is_replaced=True)
    found = load_configuration(env)
    assert str(found.named("lab").addresses[0]) == "tcp://new:1"
    assert not found.named("lab").is_insecure
    assert found.current == "lab"


@pytest.mark.parametrize("name", ["", "-x", "a.b", 'a"', "a b", "ä"])
def test_name_of_another_form_is_refused(env: dict[str, str], name: str) -> None:
    """Names are plain words: they stand in TOML, on command lines and in messages."""
    with pytest.raises(SpecValidationError, match="letters, digits"):
        add_builder(env, name, {"address": "tcp://new:1"})


def test_entry_with_problems_is_not_written(env: dict[str, str], file: Path) -> None:
    """What would make the file wrong is refused, and the file stays as it was."""
    with pytest.raises(SpecValidationError, match="builder new: 1 problem\n  address: 'nowhere'"):
        add_builder(env, "new", {"address": "nowhere"})

    assert file.read_text() == FILE


@pytest.mark.parametrize(
    "text",
    [
        'builders = {lab = {address = "tcp://one:1"}}\n',
        'builders.lab.address = "tcp://one:1"\n',
        '[builders]\nlab = {address = "tcp://one:1"}\n',
        '[builders]\nlab.address = "tcp://one:1"\nother.address = "tcp://two:2"\n',
    ],
)
def test_unusual_file_is_read_but_not_harmed(env: dict[str, str], file: Path, text: str) -> None:
    """Tables written in other forms are understood; what cannot be edited is left alone."""
    file.write_text(text)
    assert str(load_configuration(env).named("lab").addresses[0]) == "tcp://one:1"

    with pytest.raises(SpecError) as caught:
        remove_builder(env, "lab")

    assert caught.value.remedy == "change it in an editor"
    assert file.read_text() == text


def test_file_that_cannot_be_written_is_told(env: dict[str, str]) -> None:
    """Where the folder cannot be made, the error names the file."""
    Path(env["HOME"]).write_text("a file")

    with pytest.raises(SpecError, match=r"config.toml cannot be written"):
        add_builder(env, "lab", {"address": "tcp://one:1"})


def test_directory_of_certificates_may_have_a_server_name(tmp_path: Path) -> None:
    """What a certificate is for need not be the address's host; files beside a folder are odd."""
    (tmp_path / "certs").mkdir()
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / "certs" / name).touch()
    entry = {
        "address": "tcp://10.0.0.1:1234",
        "tls": {"directory": "certs", "server_name": "builder.test"},
    }

    tls = decode("lab", entry, tmp_path).certificates()

    assert tls is not None
    assert (tls.server_name, tls.cert) == ("builder.test", tmp_path / "certs/cert.pem")
    with pytest.raises(Refusal):
        decode("lab", {**entry, "tls": {"directory": "certs", "ca": "ca.pem"}}, tmp_path)
