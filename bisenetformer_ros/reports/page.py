"""Building blocks of an HTML page. They escape every text; text that is already HTML has the type `Html`."""

import base64
from collections.abc import Iterable, Sequence
from html import escape

import cv2
import numpy as np

from bisenetformer_ros.file_names import printable
from bisenetformer_ros.images.files import encode_image
from bisenetformer_ros.reports.style import CSS

WEBP_QUALITY = 85


class Html(str):
    """Markup, which is not escaped again."""

    __slots__ = ()


def page(title: str, lead: str, blocks: Iterable[Html]) -> str:
    """Return a complete document."""
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += _tag("title", title)
    body = f'<main>{_tag("h1", title)}<p class="lead">{escape(lead)}</p>{"".join(blocks)}</main>'
    html = f'<!DOCTYPE html>\n<html lang="en"><head>{head}<style>{CSS}</style></head>\n<body>{body}</body></html>\n'
    return printable(html)  # file names may not be UTF-8


def card(title: str, *content: Html, note: str = "") -> Html:
    """Return a titled box; the note is set below its content."""
    after = f'<p class="note">{escape(note)}</p>' if note else ""
    return Html(f'<section class="card">{_tag("h2", title)}{"".join(content)}{after}</section>')


def warning(text: str) -> Html:
    """Return a warning as a paragraph that stands out; nothing for an empty text."""
    return Html(f'<p class="warning">{escape(text)}</p>' if text else "")


def tiles(figures: Iterable[tuple[str, str]]) -> Html:
    """Return boxes of key figures: (value, caption)."""
    boxes = "".join(f'<div class="tile">{_tag("b", value)}{_tag("span", name)}</div>' for value, name in figures)
    return Html(f'<div class="tiles">{boxes}</div>')


def table(header: Sequence[str], rows: Iterable[Sequence[str]], total_rows: int = 0) -> Html:
    """Return a table whose last `total_rows` rows are bold."""
    rows = list(rows)
    head = "".join(_tag("th", name) for name in header)
    lines = []
    for index, row in enumerate(rows):
        kind = ' class="total"' if index >= len(rows) - total_rows else ""
        lines.append(f"<tr{kind}>{''.join(f'<td>{cell}</td>' for cell in map(_cell, row))}</tr>")
    return Html(f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>")


def facts(pairs: Iterable[tuple[str, str]]) -> Html:
    """Return a table of names and texts of any length."""
    rows = "".join(f'<tr>{_tag("td", name)}<td class="text">{_cell(text)}</td></tr>' for name, text in pairs)
    return Html(f"<table><tbody>{rows}</tbody></table>")


def swatch(color: Sequence[int], name: str) -> Html:
    """Return a colour (R, G, B of 0..255) with its name."""
    return Html(f'<span class="swatch" style="background:rgb({color[0]},{color[1]},{color[2]})"></span>{escape(name)}')


def meter(share: float, text: str) -> Html:
    """Return a text with a small bar for a share of 0..1."""
    return Html(f'{escape(text)}<span class="meter"><i style="width:{100 * share:.1f}%"></i></span>')


def legend(names: Iterable[tuple[int, str]]) -> Html:
    """Return the legend of a chart: (number of the colour, name) of its series."""
    items = (
        f'<span><i class="swatch" style="background:var(--series-{color})"></i>{escape(name)}</span>'
        for color, name in names
    )
    return Html(f'<div class="legend">{"".join(items)}</div>')


def color_legend(names: Iterable[tuple[Sequence[int], str]]) -> Html:
    """Return a legend of (R, G, B) colours and their names."""
    return Html(f'<div class="legend">{"".join(f"<span>{swatch(color, name)}</span>" for color, name in names)}</div>')


def picture(rgb: np.ndarray, caption: str) -> Html:
    """Return an image, (H, W, 3) uint8, as a figure."""
    return embedded(encode_image(rgb, ".webp", [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY]), caption)


def embedded(webp: bytes, caption: str) -> Html:
    """Return the content of a WebP file as a figure."""
    data = base64.b64encode(webp).decode("ascii")
    return figure(Html(f'<img alt="{escape(caption)}" src="data:image/webp;base64,{data}">'), caption)


def figure(content: Html, caption: str) -> Html:
    """Return an image or a drawing with a caption."""
    return Html(f"<figure>{content}<figcaption>{escape(caption)}</figcaption></figure>")


def row(title: str, figures: Iterable[Html]) -> Html:
    """Return figures side by side below a heading."""
    return Html(f'{_tag("h3", title)}<div class="row">{"".join(figures)}</div>')


def _cell(text: str) -> str:
    return text if isinstance(text, Html) else escape(text)


def _tag(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"
