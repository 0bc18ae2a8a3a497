import base64
from html.parser import HTMLParser

import cv2
import numpy as np

from bisenetformer_ros.reports import page
from bisenetformer_ros.reports.page import Html

VOID = {"meta", "img"}
LINKS = {"src", "href", "data", "srcset", "poster", "action"}


class Structure(HTMLParser):
    """Collects texts and links, and insists that every tag is closed."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open_tags: list[str] = []
        self.texts: list[str] = []
        self.links: list[str] = []
        self.feed(document)
        assert self.open_tags == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attributes if name in LINKS]
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_texts_are_escaped_everywhere() -> None:
    evil = "<script>alert('x')</script> & \"more\""
    blocks = [
        page.warning(evil),
        page.tiles([(evil, evil)]),
        page.card(evil, page.table([evil], [[evil], [page.swatch((1, 2, 3), evil)]]), note=evil),
        page.card("facts", page.facts([(evil, evil)]), page.legend([(0, evil)]), page.row(evil, [])),
        page.card("meter", page.table(["a"], [[page.meter(0.5, evil)]])),
        page.picture(np.zeros((4, 4, 3), np.uint8), evil),
    ]
    document = Structure(page.page(evil, evil, blocks))
    assert "script" not in document.open_tags
    assert document.texts.count(evil) == 17


def test_a_page_refers_to_no_other_file() -> None:
    picture = page.picture(np.full((20, 30, 3), (250, 10, 20), np.uint8), "red")
    document = page.page("title", "lead", [page.card("pictures", page.row("one", [picture]))])
    (link,) = Structure(document).links
    assert link.startswith("data:image/webp;base64,")
    assert "url(" not in document
    assert "@import" not in document
    image = cv2.imdecode(np.frombuffer(base64.b64decode(link.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_allclose(image[..., ::-1].mean(axis=(0, 1)), (250, 10, 20), atol=6)


def test_the_last_rows_of_a_table_are_its_totals() -> None:
    html = page.table(["class", "IoU"], [["road", "1"], ["car", "2"], ["mean", "3"]], total_rows=1)
    assert html.count('<tr class="total">') == 1
    assert html.index('<tr class="total">') > html.index("car")
    assert isinstance(html, Html)
