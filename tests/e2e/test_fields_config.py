"""Environment, commands, user, labels, entrypoint, tag and secrets: as the spec says."""

from __future__ import annotations

from pathlib import Path

import pytest
from making import MakeSpec, Pulled

from buildkit_spec import BuildkitBuilder, ImageSpec
from buildkit_spec.plan import show
from buildkit_spec.values import StatusUpdate

HARD_VALUES = {
    "SPACES": "a b  c",
    "QUOTES": 'it\'s "quoted"',
    "DOLLAR": "$HOME ${PATH} $(id)",
    "EQUALS": "k=v",
    "EMPTY": "",
    "UNICODE": "grün ✓",
    "LINES": "one\ntwo",
}


def test_environment_values_come_out_as_they_went_in(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled
) -> None:
    """Spaces, quotes, dollars and line ends are nobody's business but the user's."""
    image = pulled(builder.build(spec(env=HARD_VALUES)))

    assert {key: image.env[key] for key in HARD_VALUES} == HARD_VALUES


def test_base_config_is_kept_where_the_spec_does_not_change_it(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled
) -> None:
    """PATH, command, history and labels of the base stay; ours are added."""
    base = spec(name="base", env={"A": "1"}, builder_options={"labels": {"base": "yes"}})
    image = pulled(builder.build(spec(base_image=base, env={"B": "2"})))
    config = image.config["config"]

    assert (image.env["A"], image.env["B"]) == ("1", "2")
    assert image.env["PATH"].startswith("/usr/local/sbin")
    assert (config["Cmd"], config["Labels"]["base"]) == (["python3"], "yes")
    assert image.config["history"][0]
    assert config["WorkingDir"] == "/root"


def test_entrypoint_is_set_and_cleared(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled
) -> None:
    """A list sets it, and drops the base's command; an empty one clears it."""
    entered = spec(name="entered", entrypoint=["python3", "-c", "print('in')"])
    image = pulled(builder.build(entered))
    cleared = pulled(builder.build(spec(base_image=entered, entrypoint=[])))

    assert image.start().stdout == "in\n"
    assert "Cmd" not in image.config["config"]
    assert "Entrypoint" not in cleared.config["config"]


def test_commands_run_in_order_with_packages_and_environment(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled
) -> None:
    """Each command is a shell of its own, sees the packages and the environment, makes a layer."""
    commands = [
        "python3 -c 'import six' && echo \"$WHO\" > /one",
        "set -e\ncat /one /one > /two\n",
    ]
    image = pulled(
        builder.build(spec(packages=["six"], env={"WHO": "me & you"}, commands=commands))
    )

    assert image.path("/two").read_text() == "me & you\nme & you\n"
    assert "one" in image.names(2)
    assert "two" in image.names(3)


def test_user_owns_workdir_and_files(
    builder: BuildkitBuilder,
    spec: MakeSpec,
    pulled: Pulled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A user that the base lacks is made; the files and the working directory are theirs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.txt").write_text("x")
    options = {"user": "worker", "workdir": "/work", "labels": {"team": "a b"}}
    image = pulled(builder.build(spec(copy=["x.txt"], builder_options=options)))
    config = image.config["config"]

    assert (config["User"], config["WorkingDir"], config["Labels"]) == (
        "worker",
        "/work",
        {"team": "a b"},
    )
    assert image.run("stat", "-c", "%U", "/root/x.txt", "/work").stdout == "worker\nworker\n"


def test_group_of_the_user_is_made(
    builder: BuildkitBuilder,
    spec: MakeSpec,
    pulled: Pulled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A group that the base lacks too: the copied files are the user's and the group's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.txt").write_text("x")
    image = pulled(
        builder.build(spec(copy=["x.txt"], builder_options={"user": "worker:data-readers"}))
    )

    assert image.config["config"]["User"] == "worker:data-readers"
    assert image.run("stat", "-c", "%U:%G", "/root/x.txt").stdout == "worker:data-readers\n"
    assert not list(image.path("/etc").glob("*-"))


def test_tag_format_and_id_are_in_the_image(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled
) -> None:
    """The tag is what the format makes of the hash; the id in the image is the spec's."""
    wanted = spec(tag_format="v1-{spec_hash}-dev")
    result = builder.build(wanted)

    assert result.reference.tag.startswith("v1-")
    assert result.reference.tag.endswith("-dev")
    assert pulled(result).env["_F_IMG_ID"] == wanted.id


def test_secrets_are_seen_by_their_steps_and_found_nowhere(
    builder: BuildkitBuilder,
    spec: MakeSpec,
    pulled: Pulled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """File and environment secrets are mounted; no layer, config, history, log or plan has them."""
    needle = "hunter2-needle"
    monkeypatch.setenv("TOKEN_FOR_TEST", needle)
    (tmp_path / "netrc").write_text(f"machine nowhere.test login me password {needle}\n")
    (tmp_path / "file").write_text(needle)
    length = f"test $(wc -c < /run/secrets/token) = {len(needle)}"
    check = f"{length} && cmp /run/secrets/token /run/secrets/file"
    wanted: ImageSpec = spec(
        packages=["six"],
        pip_secret_mounts=[(str(tmp_path / "netrc"), "/root/.netrc")],
        commands=[check],
        builder_options={
            "secrets": {"token": "env:TOKEN_FOR_TEST", "file": f"file:{tmp_path / 'file'}"}
        },
    )
    told: list[StatusUpdate] = []
    result = builder.build(wanted, on_status=told.append)
    image = pulled(result)

    assert not image.contains(needle.encode())
    assert not image.path("/root/.netrc").exists()
    assert not image.path("/run/secrets").exists()
    assert needle not in repr(told)
    assert needle not in repr(result)
    assert needle not in show("x", builder.plan(wanted), "json")


def test_step_secrets_folder_and_place_of_files(
    builder: BuildkitBuilder,
    spec: MakeSpec,
    pulled: Pulled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`step_secrets` reach steps of every kind, `run_in` commands, and `copy_to` the files."""
    needle = "hunter2-step"
    monkeypatch.setenv("TOKEN_FOR_TEST", needle)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text(needle)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/table.csv").write_text("copied")
    (tmp_path / "built").mkdir()
    (tmp_path / "built/setup.py").write_text(
        "import os, setuptools\n"
        "seen = len(os.environ['STEP_TOKEN']), len(open('/run/secrets/step').read())\n"
        "open('seen.py', 'w').write(f'LENGTHS = {seen}')\n"
        "setuptools.setup(name='built', version='1', py_modules=['seen'])\n"
    )
    wanted = spec(
        packages=["./built"],
        copy=["data"],
        commands=[
            'pwd > /where && echo "${#STEP_TOKEN} $(wc -c < /run/secrets/step)" > /lengths',
        ],
        builder_options={
            "step_secrets": {
                "STEP_TOKEN": "env:TOKEN_FOR_TEST",
                "/run/secrets/step": "file:token",
            },
            "run_in": "/srv/app/data",
            "copy_to": "/srv/app",
        },
    )
    image = pulled(builder.build(wanted))

    assert image.path("/where").read_text() == "/srv/app/data\n"
    assert image.path("/srv/app/data/table.csv").read_text() == "copied"
    assert image.path("/lengths").read_text() == f"{len(needle)} {len(needle)}\n"
    seen = image.run("python3", "-c", "import seen; print(*seen.LENGTHS)").stdout
    assert seen == f"{len(needle)} {len(needle)}\n"
    assert not image.contains(needle.encode())
    assert "STEP_TOKEN" not in image.env


def test_secret_that_has_no_source_is_told_by_name(
    builder: BuildkitBuilder, spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the secret and the variable, and how to set it."""
    monkeypatch.delenv("NOT_SET_ANYWHERE", raising=False)
    wanted = spec(
        commands=["cat /run/secrets/token"],
        builder_options={"secrets": {"token": "env:NOT_SET_ANYWHERE"}},
    )

    with pytest.raises(LookupError, match="NOT_SET_ANYWHERE"):
        builder.build(wanted)


def test_network_none_keeps_steps_off_the_network(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled
) -> None:
    """A step without network sees the loopback interface only."""
    command = "ls /sys/class/net > /interfaces"
    image = pulled(builder.build(spec(commands=[command], builder_options={"network": "none"})))

    assert image.path("/interfaces").read_text().split() == ["lo"]


def test_network_host_is_the_host_one(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled
) -> None:
    """The entitlement is asked for by itself when a step uses the host's network."""
    command = "ls /sys/class/net > /interfaces"
    wanted = spec(commands=[command], builder_options={"network": "host", "no_cache": True})
    before = {path.name for path in Path("/sys/class/net").iterdir()}
    image = pulled(builder.build(wanted))
    after = {path.name for path in Path("/sys/class/net").iterdir()}

    seen = set(image.path("/interfaces").read_text().split())
    assert before & after <= seen  # others come and go with other tests' steps
    assert seen != {"lo"}
