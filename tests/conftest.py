"""Options of the whole test suite."""

from __future__ import annotations

import signal

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden plans anew")


def pytest_configure() -> None:
    # Who starts in the background starts without Ctrl-C, and so would every program of the tests.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _ctrl_c() -> None:
    """Have Ctrl-C be what Python makes of it, also after flytekit was imported."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def is_updating_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are written instead of compared."""
    return bool(request.config.getoption("--update-golden"))
