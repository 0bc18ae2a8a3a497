"""HTML report of the paper's tables and figures beside measurements."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np

from bisenetformer_ros.images.panels import side_by_side
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.reports import page
from bisenetformer_ros.reports.charts import Point, scatter_chart
from bisenetformer_ros.reports.page import Html
from bisenetformer_ros.reports.paper_comparison import TOLERANCE, ComparedTable, PaperComparison

OTHERS, PAPER, MEASURED = 0, 4, 3
"""Colours of the scatter plots."""
PANEL_WIDTH = 480


@dataclass(frozen=True, eq=False)
class PictureGrid:
    """Figure 3: images in rows, models in columns.

    Attributes:
        rows: Heading → (H, W, 3) uint8 RGB: the image under its name, then each model's result over it.
        labels: The models' label maps; the legend names the classes of each once.
        warnings: Of the models.
    """

    rows: Sequence[Mapping[str, np.ndarray]]
    labels: Sequence[LabelMap]
    warnings: Sequence[str]

    def to_picture(self) -> np.ndarray:
        """Return the grid as one picture, (H, W, 3) uint8 RGB."""
        strips = [
            side_by_side({heading: _narrowed(rgb) for heading, rgb in pictures.items()}) for pictures in self.rows
        ]
        return np.concatenate(strips)


def paper_page(comparison: PaperComparison, grid: PictureGrid, circumstances: Mapping[str, str]) -> str:
    """Return the report as one self-contained document.

    Args:
        comparison: Tables and sentences.
        grid: Figure 3.
        circumstances: Name → text about how the counts and figure 3 were obtained.
    """
    blocks = [
        *(_table_card(compared) for compared in comparison.tables),
        *(_list_card(title, sentences) for title, sentences in comparison.lists().items()),
        _figure_1(comparison),
        _figure_3(grid),
        page.card("Setup", page.facts(circumstances.items())),
    ]
    lead = "Tables 1 to 7 and figures 1 and 3 of Rosi et al., doi 10.1109/CVPRW63382.2024.00806, beside this package"
    return page.page("The revenge of BiSeNet: paper, counts and measurements", lead, blocks)


def _table_card(compared: ComparedTable) -> Html:
    rows = [[_name(cells[0]), *map(_figure, cells[1:])] for cells in compared.text_rows()]
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in compared.notes())
    return page.card(compared.title, page.table(compared.header(), rows), Html(notes), note=TOLERANCE)


def _name(text: str) -> Html:
    return Html(escape(text).replace("  ", "&emsp;"))


def _figure(text: str) -> Html:
    return Html(f'<b style="color:var(--bad)">{escape(text)}</b>' if text.endswith("!") else escape(text))


def _list_card(title: str, sentences: Sequence[str]) -> Html:
    return page.card(title, Html(f"<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in sentences)}</ul>"))


def _figure_1(comparison: PaperComparison) -> Html:
    """Draw accuracy over speed for the tables that have both, which are 1 to 4."""
    figures = []
    for compared in comparison.tables[:4]:
        quality = "miou" if compared.table.task == "semantic" else "pq"
        chart = scatter_chart(
            list(_points(compared, quality)), "FPS", compared.header()[1 + compared.columns.index(quality)]
        )
        figures += [Html(f"<h3>{escape(compared.table.title)}</h3>"), chart]
    legend = page.legend([(OTHERS, "other methods, paper"), (PAPER, "BiSeNetFormer, paper"), (MEASURED, "measured")])
    note = "The paper's FPS: the network alone on one V100. Measured FPS: whole frames on the machine of the result."
    return page.card("Figure 1: accuracy over speed", legend, *figures, note=note)


def _points(compared: ComparedTable, quality: str) -> Iterator[Point]:
    for row in compared.rows:
        kinds = [(row.paper.name, OTHERS if row.paper.architecture is None else PAPER, row.paper.figures)]
        kinds += [(f"{row.paper.backbone}, {m.weights} weights", MEASURED, m.figures) for m in row.measurements]
        for caption, color, figures in kinds:
            if "fps" in figures and quality in figures:
                yield Point(caption, figures["fps"], figures[quality], color)


def _figure_3(grid: PictureGrid) -> Html:
    rows = [
        page.row(next(iter(pictures)), (page.picture(_narrowed(rgb), heading) for heading, rgb in pictures.items()))
        for pictures in grid.rows
    ]
    legends = [page.color_legend((label.color, label.name) for label in labels) for labels in grid.labels]
    return page.card("Figure 3: panoptic results", *map(page.warning, grid.warnings), *rows, *legends)


def _narrowed(rgb: np.ndarray) -> np.ndarray:
    """Scale a picture to PANEL_WIDTH."""
    height, width = rgb.shape[:2]
    size = PANEL_WIDTH, max(1, round(height * PANEL_WIDTH / width))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if width > PANEL_WIDTH else cv2.INTER_CUBIC)
