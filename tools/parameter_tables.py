"""Writes the table of the node's parameters into every page with a place for it: `make docs`."""

import re
from pathlib import Path

from bisenetformer_ros.ros.node.settings import markdown_table

ROOT = Path(__file__).resolve().parents[1]
PLACE = re.compile(r"(?<=<!-- parameters -->\n).*?(?=<!-- /parameters -->)", re.DOTALL)


def documents() -> list[Path]:
    """Return the pages with a place for the table."""
    candidates = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in candidates if PLACE.search(path.read_text(encoding="utf-8"))]


def with_table(text: str) -> str:
    """Return the text of a page with the current table."""
    return PLACE.sub(lambda _: markdown_table() + "\n", text)


def main() -> None:
    for path in documents():
        path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
        print(f"wrote the parameters into {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
