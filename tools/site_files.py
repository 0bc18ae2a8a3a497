"""mkdocs hook: lays the site out like the repository, so that each relative link works in both."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PUBLISHED = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.rst",
    "LICENSE",
    "docs/**/*",
    "config/**/*.md",
    "config/**/*.yaml",
    "examples/*",
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files of docs/, which mkdocs places at the root, by the published ones at their repository paths."""
    root = Path(config.config_file_path).parent
    paths = sorted({path for pattern in PUBLISHED for path in root.glob(pattern) if path.is_file()})
    published = [File.generated(config, path.relative_to(root).as_posix(), abs_src_path=str(path)) for path in paths]
    return Files([*(file for file in files if file.src_dir != config.docs_dir), *published])
