"""Options of the whole test suite."""

from __future__ import annotations

import signal

import pytest

STARTING_ENGINES = ("test_engines", "test_outputs")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden plans anew")


def pytest_configure() -> None:
    # Who starts in the background starts without Ctrl-C, and so would every program of the tests.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before xdist looks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have a file's tests in one process; and all in one that start and stop the same engines."""
    for item in items:
        name = item.path.stem
        item.add_marker(pytest.mark.xdist_group("engines" if name in STARTING_ENGINES else name))


@pytest.fixture
def is_updating_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are written instead of compared."""
    return bool(request.config.getoption("--update-golden"))
