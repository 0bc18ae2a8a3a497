import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def short_run() -> ModuleType:
    """The script beside this file, as a module."""
    spec = importlib.util.spec_from_file_location("short_run", Path(__file__).with_name("short_run.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
