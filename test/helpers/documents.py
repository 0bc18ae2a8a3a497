"""Commands, links, paths and anchors of the project's pages."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = tuple(
    page.relative_to(ROOT).as_posix()
    for page in (
        *sorted(ROOT.glob("*.md")),
        *(page for folder in ("docs", "config", "examples") for page in sorted((ROOT / folder).rglob("*.md"))),
    )
)

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NEEDS = re.compile(r"# needs (.+)")
_ASSIGNMENT = re.compile(r"(export )?\w+=")


@dataclass(frozen=True)
class Command:
    """One command of a page.

    Args:
        words: as a shell splits them, without leading `VARIABLE=value`.
        needs: what the command needs beyond the test environment, as the page states; empty if a test can run it.
    """

    page: str
    words: tuple[str, ...]
    needs: str

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words)}"


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[str]:
    """Return the contents of the fenced blocks in one of the languages."""
    return [content for language, content in _BLOCK.findall(text_of(page)) if language in languages]


def prose(page: str) -> str:
    """Return the page without its fenced blocks."""
    return _BLOCK.sub("", text_of(page))


def commands(page: str) -> list[Command]:
    """Return all commands in `bash` blocks, and those after `$ ` in `console` blocks.

    `# needs …` after a command applies to this command; on a line of its own, to those that follow, up to an
    empty line.
    """
    found = []
    sessions = ["\n".join(re.findall(r"^\$ (.*)$", block, re.MULTILINE)) for block in blocks(page, "console")]
    for block in [*blocks(page, "bash"), *sessions]:
        needs = ""
        for line in block.replace("\\\n", " ").splitlines():
            marked = _NEEDS.search(line)
            if not line.strip() or (marked and line.lstrip().startswith("#")):
                needs = marked[1] if marked else ""
                continue
            for part in re.split(r"\s&&\s", line):
                words = _words(part)
                if words:
                    found.append(Command(page, words, marked[1] if marked else needs))
    return found


def _words(text: str) -> tuple[str, ...]:
    words = shlex.split(text, comments=True)
    while words and (words[0] == "export" or _ASSIGNMENT.match(words[0])):
        words.pop(0)
    return tuple(words)


def anchors(page: str) -> set[str]:
    """Return the anchors of the page's headings, as GitHub generates them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: str) -> list[tuple[str, str]]:
    """Return (file, anchor) of every link and image inside the repository; the file is relative to the root."""
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        found.append((file.resolve().relative_to(ROOT).as_posix(), anchor))
    return found


def paths(page: str) -> set[str]:
    """Return the files of the repository that the page names in `code`, without those with a placeholder NAME."""
    folders = "bisenetformer_ros|config|docs|examples|launch|test|tools"
    named = re.findall(rf"`((?:{folders})/[\w./-]*\w\.\w+)`", prose(page))
    return {path for path in named if "NAME" not in path}
