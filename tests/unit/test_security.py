"""What docs/security.md promises of the source itself, and that its tests are there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import buildkit_spec

ROOT = Path(__file__).parents[2]
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}


def calls_of_a_shell(source: str) -> Iterator[str]:
    """Calls in Python source that have a shell between us and a program."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in SHELLS or any(one.arg == "shell" for one in node.keywords):
                yield name


def test_no_program_is_started_through_a_shell() -> None:
    """Nothing that somebody wrote into a spec, an address or a file is read by a shell here."""
    found = {
        str(file): calls
        for file in Path(buildkit_spec.__file__).parent.rglob("*.py")
        if (calls := list(calls_of_a_shell(file.read_text("utf-8"))))
    }
    assert found == {}
    assert list(calls_of_a_shell("subprocess.run(x, shell=True); os.system(x)")) != []


def test_every_line_of_the_threat_model_has_its_tests() -> None:
    """A test that is renamed or removed is missed by the page that names it."""
    text = (ROOT / "docs/security.md").read_text("utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)
    }
    assert named
    assert named <= there
    rows = re.findall(r"^\| (?!it could|they could|---).*$", text, re.MULTILINE)
    assert [row for row in rows if "`test_" not in row] == []
