"""The programs that run inside a build, run for real: an interpreter's own folder, and uv."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from buildkit_spec.plan import inside

PROGRAMS = Path(inside.__file__).parent
EPOCH = 315_619_200
UNCHECKED = 1
"""Flags of a compiled file that holds a hash nobody checks. Source: PEP 552."""


def make_wheel(folder: Path, name: str, version: str, files: Mapping[str, str]) -> Path:
    """Write a wheel that holds *files*."""
    info = f"{name}-{version}.dist-info"
    texts = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for path, text in texts.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
        rows.writerow([path, f"sha256={digest.rstrip('=')}", len(text)])
    rows.writerow([f"{info}/RECORD", "", ""])
    folder.mkdir(exist_ok=True)
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**texts, f"{info}/RECORD": record.getvalue()}.items():
            archive.writestr(path, text)
    return wheel


class Interpreter:
    """A virtual environment without packages, and the programs run by it."""

    def __init__(self, root: Path) -> None:
        self.root = root / "venv"
        self._work = root / "work"
        self._work.mkdir(exist_ok=True)
        self._config = self._work / "uv.toml"
        # Names a default index, so that the program adds none.
        self._config.write_text('[[index]]\nurl = "http://127.0.0.1:9/"\ndefault = true\n')
        self.make()

    def make(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        self.uv("venv", "--python", sys.executable, str(self.root))

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python"

    @property
    def packages(self) -> Path:
        (found,) = self.root.glob("lib/python*/site-packages")
        return found

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "UV_CONFIG_FILE": str(self._config),
            "UV_CACHE_DIR": str(self._work / "cache"),
            "UV_LINK_MODE": "copy",
            "UV_OFFLINE": "1",
        }

    def uv(self, *args: str) -> None:
        subprocess.run([find_uv_bin(), "--quiet", *args], env=self.env, check=True)

    def run(self, program: str, order: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        (self._work / "order.json").write_text(json.dumps(order))
        command = inside.command(str(self.python), str(self._work), program)
        command[-2] = str(PROGRAMS / program)
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)

    def install(self, *wheels: Path) -> subprocess.CompletedProcess[str]:
        command = [find_uv_bin(), "pip", "install", "--python", str(self.python), "--quiet"]
        return self.run(
            "install.py",
            {
                "command": [*command, "--no-deps", *map(str, wheels)],
                "epoch": EPOCH,
                "compiled": str(self._work / "compiled"),
                "packages": {
                    wheel.name.split("-")[0]: hashlib.sha256(wheel.read_bytes()).hexdigest()
                    for wheel in wheels
                },
                "of_index": [],
            },
        )

    def forget_compiled(self) -> None:
        shutil.rmtree(self._work / "compiled")

    def tree(self) -> dict[str, tuple[int, int, str]]:
        """Mode, time and content of everything below the packages' folder and of programs."""
        found = {}
        for top in (self.packages, self.root / "bin"):
            for path in [top, *top.rglob("*")]:
                if path.is_symlink() or path.name.startswith(("activate", "deactivate", "pydoc")):
                    continue
                status = path.stat()
                content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
                name = str(path.relative_to(self.root))
                found[name] = (status.st_mode, int(status.st_mtime), content)
        return found


@pytest.fixture(name="interpreter")
def _interpreter(tmp_path: Path) -> Interpreter:
    return Interpreter(tmp_path)


@pytest.fixture(name="wheel")
def _wheel(tmp_path: Path) -> Path:
    files = {
        "demo/__init__.py": "VALUE = 1\n",
        "demo/deep/tool.py": "import sys\n\n\ndef main():\n    sys.stdout.write('ran')\n",
        "demo/old.py": "print 'of another Python'\n",
        "demo/table.csv": "a,b\n",
        "single.py": "VALUE = 1\n",
        "demo-1.data/data/share/demo/notes.txt": "notes\n",
        "demo-1.dist-info/entry_points.txt": "[console_scripts]\ndemo = demo.deep.tool:main\n",
    }
    return make_wheel(tmp_path / "wheels", "demo", "1", files)


def test_installed_package_works(interpreter: Interpreter, wheel: Path) -> None:
    """Modules, data and programs are where an installer puts them; what no Python can read too."""
    done = interpreter.install(wheel)

    assert (done.returncode, done.stderr) == (0, "")
    program = interpreter.root / "bin" / "demo"
    assert subprocess.run([program], capture_output=True, text=True).stdout == "ran"
    assert (interpreter.root / "share/demo/notes.txt").read_text() == "notes\n"
    assert (interpreter.packages / "demo/old.py").exists()


def test_everything_has_the_time_of_the_epoch(interpreter: Interpreter, wheel: Path) -> None:
    """Files, compiled files, programs, and every folder that changed, up to the top."""
    interpreter.install(wheel)
    paths = [*interpreter.packages.rglob("*"), *(interpreter.root / "share").rglob("*")]
    paths += [interpreter.packages, interpreter.root / "bin", interpreter.root / "bin" / "demo"]
    paths += [interpreter.root, interpreter.root / "lib", interpreter.root / "share"]
    ours = [path for path in paths if "virtualenv" not in path.name]

    assert {str(path) for path in ours if path.lstat().st_mtime != EPOCH} == set()


def test_compiled_files_hold_a_hash_nobody_checks(interpreter: Interpreter, wheel: Path) -> None:
    """A time in them would be another one in every build; the interpreter takes what is there."""
    interpreter.install(wheel)
    compiled = sorted(interpreter.packages.glob("demo/**/*.pyc"))

    assert {path.name.partition(".")[0] for path in compiled} == {"__init__", "tool"}
    for path in compiled:
        assert int.from_bytes(path.read_bytes()[4:8], "little") == UNCHECKED


def test_notes_of_this_build_are_not_left(interpreter: Interpreter, wheel: Path) -> None:
    """Neither as files nor in the record; the record names what is there."""
    interpreter.install(wheel)
    (info,) = interpreter.packages.glob("demo-*.dist-info")
    record = (info / "RECORD").read_text()

    assert {path.name for path in info.iterdir()} >= {"INSTALLER", "METADATA", "RECORD", "WHEEL"}
    for note in ("REQUESTED", "uv_cache.json", "uv_build.json"):
        assert not (info / note).exists()
        assert note not in record
    for path, *_ in csv.reader(record.splitlines()):
        assert (interpreter.packages / path).exists()


def test_installation_is_the_same_whenever_it_is_made(
    interpreter: Interpreter, wheel: Path
) -> None:
    """With compiled files that were kept, and with those compiled anew."""
    trees = []
    for _ in range(3):
        interpreter.install(wheel)
        trees.append(interpreter.tree())
        interpreter.make()
        if len(trees) == 2:
            interpreter.forget_compiled()

    assert trees[0] == trees[1] == trees[2]
    assert any(name.endswith(".pyc") for name in trees[0])


def test_upgrade_leaves_nothing_of_the_old_version(
    interpreter: Interpreter, wheel: Path, tmp_path: Path
) -> None:
    """Its files are gone, what was compiled of them too; changed folders have the epoch's time."""
    interpreter.install(wheel)
    second = make_wheel(tmp_path / "wheels", "demo", "2", {"demo/__init__.py": "VALUE = 2\n"})
    interpreter.install(second)
    left = {str(path.relative_to(interpreter.packages)) for path in interpreter.packages.rglob("*")}

    assert [name for name in left if re.search("deep|single|tool|demo-1", name)] == []
    assert not (interpreter.root / "bin" / "demo").exists()
    assert (interpreter.root / "bin").stat().st_mtime == EPOCH
    assert (interpreter.packages / "demo").stat().st_mtime == EPOCH


def test_failed_installation_is_told_in_the_words_of_the_installer(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    """Its exit code is not 0, and what it says comes through."""
    gone = make_wheel(tmp_path / "wheels", "gone", "1", {})
    gone.write_bytes(b"no wheel")
    done = interpreter.install(gone)

    assert done.returncode != 0
    assert "gone" in done.stderr


class Resolver:
    """The program that resolves, on a folder of wheels."""

    def __init__(self, interpreter: Interpreter, wheels: Path) -> None:
        self._interpreter = interpreter
        self._wheels = wheels
        self._scratch = wheels.parent / "scratch"
        self._scratch.mkdir()

    def run(
        self,
        *wanted: str,
        may_build: bool = False,
        preferences: Mapping[str, str] | None = None,
        located: Sequence[Mapping[str, Any]] = (),
    ) -> tuple[int, dict[str, Any]]:
        listed = self._scratch / "packages.txt"
        listed.write_text("\n".join(wanted))
        command = [find_uv_bin(), "pip", "compile", "--generate-hashes", "--quiet"]
        command += ["--no-index", "--find-links", str(self._wheels), str(listed)]
        answer = self._scratch / "answer.json"
        answer.unlink(missing_ok=True)
        done = self._interpreter.run(
            "lock.py",
            {
                "command": command,
                "has_indexes": False,
                "located": list(located),
                "may_build": may_build,
                "output": str(answer),
                "preferences": preferences or {},
                "scratch": str(self._scratch),
                "sizes": str(self._scratch / "sizes.json"),
            },
        )
        return done.returncode, json.loads(answer.read_text()) if answer.exists() else {}


@pytest.fixture(name="resolver")
def _resolver(interpreter: Interpreter, tmp_path: Path) -> Resolver:
    for version in ("1", "2"):
        make_wheel(tmp_path / "wheels", "demo", version, {"demo.py": ""})
    return Resolver(interpreter, tmp_path / "wheels")


def test_resolver_answers_with_a_lock(resolver: Resolver) -> None:
    """Name, version and hashes of the newest that fits."""
    code, answer = resolver.run("demo")

    assert code == 0
    assert 'name = "demo"\nversion = "2"' in answer["lock"]
    assert "sha256" in answer["lock"]


def test_resolver_keeps_versions_that_fit(resolver: Resolver) -> None:
    """What is preferred is taken, unless the requirement says otherwise."""
    _, kept = resolver.run("demo", preferences={"demo": "1"})
    _, moved = resolver.run("demo>1", preferences={"demo": "1"})

    assert 'version = "1"' in kept["lock"]
    assert 'version = "2"' in moved["lock"]


def test_resolver_that_finds_nothing_without_building_says_so(resolver: Resolver) -> None:
    """Then it is asked again where the system's packages are, and that failure is told."""
    assert resolver.run("demo>3") == (0, {"needs_build": True})
    code, answer = resolver.run("demo>3", may_build=True)
    assert (code != 0, answer) == (True, {})


def test_resolver_takes_what_an_index_that_does_not_answer_had(resolver: Resolver) -> None:
    """From where everything else is: the hashes of the lock tell whether it is the same."""
    silent = {"name": "demo", "line": "demo==1", "index": "http://127.0.0.1:1/simple", "hashes": []}
    code, answer = resolver.run(located=[silent])

    assert (code, answer["indexes"]) == (0, {})
    assert 'version = "1"' in answer["lock"]


def test_bytecode_kept_of_no_sources_is_made_anew(tmp_path: Path) -> None:
    """An interpreter that did not find what it installed must not say that there is nothing."""
    source = tmp_path / "module.py"
    source.write_text("WORD = 1\n")
    program = "import json, sys; from bytecode import compile_packages as make\n"
    program += "sys.stdout.write(json.dumps(make(*json.loads(sys.argv[1]))))"

    def compiled(sources: list[str]) -> Any:
        order = json.dumps([{"sha256:00": sources}, str(tmp_path / "store")])
        done = subprocess.run(
            [sys.executable, "-c", program, order], cwd=PROGRAMS, capture_output=True, check=True
        )
        return json.loads(done.stdout)

    assert compiled([]) == []
    assert [Path(path).parent.name for path in compiled([str(source)])] == ["__pycache__"]
