"""Flyte 2 builds its images through us: its own command line, its own engine, real images."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from flyte2s import Flyte2, uris, write_wheel
from pulled import PulledImage, pull
from registries import PASSWORD, USER, basic, htpasswd_auth, running_registry

from buildkit_spec.registry import Registry
from buildkit_spec.values import Reference

pytest.importorskip("flyte", reason="Flyte 2 is not installed")

EXAMPLE = Path(__file__).parents[2] / "examples" / "flyte2"


@pytest.fixture(scope="module", name="home")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module", name="account")
def _account(registry: str) -> str:
    return f"{registry}/e2e-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module", name="run")
def _run(home: Path, account: str, base_image: str, buildkit_host: str) -> Flyte2:
    """Run programs beside the example."""
    return Flyte2(home, account, shutil.copytree(EXAMPLE, home / "example"))


@pytest.fixture(scope="module", name="example")
def _example(run: Flyte2) -> subprocess.CompletedProcess[str]:
    return run("--config", "config.yaml", "build", "--all", "workflow.py")


@pytest.fixture(scope="module", name="prepared")
def _prepared(
    example: subprocess.CompletedProcess[str], tmp_path_factory: pytest.TempPathFactory
) -> PulledImage:
    return pull(uris(example.stdout)["prepare"], tmp_path_factory.mktemp("prepared") / "root")


def test_flyte_build_makes_what_the_layers_say_in_their_order(prepared: PulledImage) -> None:
    """A command sees the packages, variables and files of the layers before it, and no later."""
    assert prepared.run("jq", "--version").stdout.startswith("jq-")
    assert prepared.path("/srv/data/made").read_text() == "tool\n"
    assert prepared.path("/srv/workflow.py").read_text().startswith('"""Two tasks')
    said = prepared.run("python", "-c", "import six, sys; print(sys.prefix)").stdout
    assert said == "/opt/venv\n"
    assert prepared.config["config"]["WorkingDir"] == "/srv"


def test_environment_is_what_flytes_own_builder_leaves(
    prepared: PulledImage, example: subprocess.CompletedProcess[str]
) -> None:
    """Variables are expanded, the id is Flyte's, and nothing of flytekit's is set."""
    env = prepared.env
    assert env["PATH"].startswith("/srv/bin:/opt/venv/bin:")
    assert env["DATA"] == "/srv/data"
    assert env["UV_PYTHON"] == "/opt/venv/bin/python"
    assert env["_F_IMG_ID"] == uris(example.stdout)["prepare"].partition("@")[0]
    assert "PYTHONPATH" not in env


def test_image_that_is_there_is_not_built_again(
    run: Flyte2, example: subprocess.CompletedProcess[str]
) -> None:
    """The registry is asked, and the name that Flyte is given names the same digest."""
    again = run("--config", "config.yaml", "build", "--all", "workflow.py")
    assert "already exists, skipping build" in again.stdout + again.stderr
    assert "exporting" not in again.stderr
    assert uris(again.stdout) == uris(example.stdout)


def test_python_of_every_kind_is_installed(run: Flyte2, tmp_path: Path) -> None:
    """Requirements, a wheel that needs its neighbour, a script's header and a project."""
    (tmp_path / "requirements.txt").write_text("six\n")
    write_wheel(tmp_path, "own", {"own.py": "from sibling import word\n"}, needs="sibling>=1")
    write_wheel(tmp_path, "sibling", {"sibling.py": "word = 'own wheel'\n"})
    (tmp_path / "badly named.whl").write_bytes(b"")
    (tmp_path / "script.py").write_text(
        '# /// script\n# requires-python = ">=3.10"\n# dependencies = ["tabulate"]\n# ///\n'
    )
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "thing"\nversion = "1"\ndependencies = ["toolz"]\n'
    )
    done = run(
        program="""
        from flyte._image import PythonWheels, UVScript
        image = (
            base.with_requirements("requirements.txt")
            .clone(addl_layer=PythonWheels(wheel_dir=Path("."), package_name="own"))
            .clone(addl_layer=UVScript(script=Path("script.py")))
            .with_uv_project("pyproject.toml")
        )
        print(flyte.build(image).uri)
        """,
        cwd=tmp_path,
    )
    image = pull(uris(done.stdout)["image"], tmp_path / "pulled")
    said = image.run("python", "-c", "import six, own, tabulate, toolz; print(own.word)").stdout
    assert said == "own wheel\n"


def test_files_go_where_docker_would_copy_them(run: Flyte2, tmp_path: Path) -> None:
    """Folders without what is ignored, one file under another name, and the user's own."""
    (tmp_path / "src" / "pack").mkdir(parents=True)
    (tmp_path / "src" / "pack" / "mod.py").write_text("x = 1\n")
    (tmp_path / "src" / "data.secret").write_text("no\n")
    (tmp_path / ".dockerignore").write_text("*.secret\n")
    done = run(
        program="""
        from flyte._image import _CREATE_FLYTE_USER_CMD
        image = (
            base.with_commands([_CREATE_FLYTE_USER_CMD])
            .with_workdir("/home/flyte")
            .with_source_folder(Path("src"))
            .with_source_folder(Path("src"), "/opt/flat", copy_contents_only=True)
            .with_source_file(Path("src/pack/mod.py"), "/opt/other.py")
            .with_source_file(Path("src/pack/mod.py"), "/opt")
            .with_commands(["cat src/pack/mod.py > seen"])
        )
        print(flyte.build(image).uri)
        """,
        cwd=tmp_path,
    )
    image = pull(uris(done.stdout)["image"], tmp_path / "pulled")
    for path in ("/home/flyte/src/pack/mod.py", "/opt/flat/pack/mod.py", "/opt/other.py"):
        assert image.path(path).read_text() == "x = 1\n", path
    assert image.path("/opt/mod.py").is_file()
    assert image.path("/home/flyte/seen").read_text() == "x = 1\n"
    assert not image.path("/home/flyte/src/data.secret").exists()
    assert image.config["config"]["User"] == "flyte"
    assert image.config["config"]["WorkingDir"] == "/home/flyte"
    assert image.run("stat", "-c", "%U", "/opt/other.py").stdout == "flyte\n"


def test_secrets_reach_their_steps_and_no_layer(run: Flyte2, tmp_path: Path) -> None:
    """As a variable and as a file, for as long as the command runs."""
    secret = f"secret-{uuid.uuid4().hex}"
    done = run(
        program="""
        image = base.with_commands(
            ['test "$TOKEN" = "$(cat /etc/flyte/secrets)" && printf %s "$TOKEN" | wc -c > /size'],
            secret_mounts=["token", flyte.Secret(key="token", mount=Path("/etc/flyte/secrets"))],
        )
        print(flyte.build(image).uri)
        """,
        TOKEN=secret,
    )
    image = pull(uris(done.stdout)["image"], tmp_path / "pulled")
    assert image.path("/size").read_text().strip() == str(len(secret))
    assert not image.contains(secret.encode())


def test_ten_images_of_one_program_are_built_at_once(run: Flyte2) -> None:
    """The last one begins before the first is exported."""
    done = run(
        program="""
        async def main():
            images = [
                base.clone(name=f"many{'abcdefghij'[n]}").with_commands([f"sleep 2; echo {n} > /n"])
                for n in range(10)
            ]
            for build in await asyncio.gather(*[flyte.build.aio(one) for one in images]):
                print(build.uri)
        asyncio.run(main())
        """
    )
    lines = done.stderr.splitlines()
    begins = {
        line.partition(":")[0]: n
        for n, line in reversed(list(enumerate(lines)))
        if line.startswith("many")
    }
    first_export = next(n for n, line in enumerate(lines) if "exporting to image" in line)
    assert len(begins) == len(uris(done.stdout)) == 10
    assert max(begins.values()) < first_export


@pytest.fixture(scope="module", name="told")
def _told(run: Flyte2, example: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """What several calls of one program say, each by its name."""
    done = run(
        program="""
        import contextlib, io, json
        from flyte._internal.imagebuild.image_builder import ImageBuildEngine
        from flyte.errors import ImageBuildError

        def said(work):
            with contextlib.redirect_stdout(io.StringIO()) as out:
                try:
                    print(work())
                except ImageBuildError as error:
                    print("ImageBuildError:", error)
            return out.getvalue()

        dry = base.with_apt_packages("jq").with_commands(["true"])
        there = base.with_pip_packages("six", "tabulate").clone(name="train")
        away = base.clone(registry="127.0.0.1:1/x").with_commands(["true"])
        behind = base.clone(name="behind").with_commands(["sleep 1"])
        failing = base.with_commands(["echo about to fail; exit 7"])
        print(json.dumps({
            "dry": said(lambda: flyte.build(dry, dry_run=True).uri),
            "dry_exists": said(lambda: asyncio.run(ImageBuildEngine.image_exists(dry))),
            "force": said(lambda: flyte.build(there, force=True).uri),
            "away": said(lambda: flyte.build(away)),
            "failing": said(lambda: flyte.build(failing)),
            "behind": said(lambda: flyte.build(behind, wait=False).uri),
        }))
        """
    )
    answers: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return {**answers, "progress": done.stderr}


def test_failing_command_is_one_error_with_its_last_lines(told: dict[str, str]) -> None:
    """The log's tail and the layer's command, in Flyte's own kind of error."""
    assert told["failing"].startswith("ImageBuildError:")
    assert "about to fail" in told["failing"]
    assert "exit code: 7" in told["failing"]


def test_registry_that_does_not_answer_is_an_error_not_an_image(told: dict[str, str]) -> None:
    """Flyte takes an image for there when no checker can tell; the build says what is wrong."""
    assert told["away"].startswith("ImageBuildError: 127.0.0.1:1/x/image")
    assert "refused the connection" in told["away"]


def test_build_nobody_waits_for_ends_before_its_process(told: dict[str, str]) -> None:
    """Its name is known at once, without a digest; the image is there when the process is not."""
    reference = Reference.parse(told["behind"].strip())
    assert reference.digest is None
    assert Registry().exists(reference)


def test_dry_run_shows_the_specs_and_builds_nothing(told: dict[str, str]) -> None:
    """One below another, the outermost last."""
    assert "apt_packages" in told["dry"]
    assert "step 3" in told["dry"]
    assert told["dry_exists"] == "None\n"


def test_force_builds_what_is_there_already(
    told: dict[str, str], example: subprocess.CompletedProcess[str]
) -> None:
    """All of its steps are cached, and the digest is the same."""
    assert "train:" in told["progress"]
    assert uris(told["force"])["train"] == uris(example.stdout)["train"]


def test_private_registry_is_logged_in_to(run: Flyte2, tmp_path: Path) -> None:
    """With the logins of this machine, for the check and for the push; without, it is an error."""
    program = "print(flyte.build(base.with_commands(['echo private > /x'])).uri)"
    with running_registry(tmp_path / "registry", auth=htpasswd_auth(tmp_path)) as guarded:
        account = f"{guarded.host}/me"
        refused = run(program=program, REGISTRY=account, is_good=False)
        login = basic(USER, PASSWORD).removeprefix("Basic ")
        (tmp_path / "config.json").write_text(
            f'{{"auths": {{"{guarded.host}": {{"auth": "{login}"}}}}}}'
        )
        for expected in ("not found, building", "already exists"):
            done = run(program=program, REGISTRY=account, DOCKER_CONFIG=str(tmp_path))
            assert expected in done.stdout + done.stderr
            assert uris(done.stdout)["image"].startswith(account)
    assert "docker login" in refused.stdout


def test_cancelled_image_leaves_the_others_alone(run: Flyte2) -> None:
    """The one nobody waits for any more ends here and on the daemon; the other is built."""
    done = run(
        program="""
        from buildkit_spec.plugins.flyte2 import image_builder

        async def main():
            one = base.clone(name="one").with_commands([f"sleep 600; echo {os.getpid()}"])
            other = base.clone(name="other").with_commands([f"sleep 5; echo {os.getpid()}"])
            builder = image_builder()
            tasks = [asyncio.ensure_future(builder.build_image(x, False)) for x in (one, other)]
            await asyncio.sleep(3)
            tasks[0].cancel()
            builds = await asyncio.gather(*tasks, return_exceptions=True)
            print(type(builds[0]).__name__)
            print(builds[1].uri if hasattr(builds[1], "uri") else builds[1])
        asyncio.run(main())
        """
    )
    assert "CancelledError" in done.stdout
    assert set(uris(done.stdout)) == {"other"}
