"""CMakeLists.txt registers tests by path; CMake refuses to configure if one of them is gone."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_registered_tests_exist() -> None:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    paths = re.search(r"foreach\(test_path(.*?)\)", text, re.DOTALL)[1].split()
    assert paths
    assert [path for path in paths if not (ROOT / "test" / path).exists()] == []
