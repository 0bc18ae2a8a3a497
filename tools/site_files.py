"""mkdocs hook: lays the site out like the repository, so that each relative link works in both."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

FOLDERS = ("config", "examples")
SUFFIXES = ("md", "py", "xml", "yaml")
PUBLISHED = ("*.md", "CHANGELOG.rst", "LICENSE", "docs/**/*", *(f"{f}/**/*.{s}" for f in FOLDERS for s in SUFFIXES))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files of docs/, which mkdocs places at the root, by the published ones at their repository paths."""
    root = Path(config.config_file_path).parent
    paths = sorted({path for pattern in PUBLISHED for path in root.glob(pattern) if path.is_file()})
    published = [File.generated(config, path.relative_to(root).as_posix(), abs_src_path=str(path)) for path in paths]
    return Files([*(file for file in files if file.src_dir != config.docs_dir), *published])


def on_page_markdown(_markdown: str, page: Page, **_: object) -> None:
    """Give the front page the room of its empty side bar; in README.md, the code host would show such metadata."""
    if page.is_homepage:
        page.meta["hide"] = ["navigation"]
