"""The sentences are compared with contradictions that were found in the paper by reading it."""

import pytest

from bisenetformer_ros.reports.paper_contradictions import contradictions

FOUND = {
    "frames per second of R50 on Cityscapes": ("R50, 19 classes", "FPS 22.3 in table 3 (page 7), 37.6 in table 5"),
    "PQ of R50 on Cityscapes": ("R50, 19 classes", "PQ 57.3 in the text of section 4.2, 57.5 in table 3"),
    "frames per second of STDC2 on ADE20K": (
        "STDC2, 150 classes",
        "FPS 99.4 in the text of section 4.2, 99.7 in table 2",
    ),
    "latency of two stages": ("1/32 to 1/8, 2 stages", "33.8 FPS and 33.8 ms; 33.8 FPS are 29.6 ms"),
    "arithmetic of STDC2": ("STDC2, 19 classes", "82 in table 1 (page 6), 83 in table 3 (page 7), 83 in table 7"),
    "parameters of R50": ("R50: 31.7 M parameters with 19 classes", "31.6 M in table 4"),
    "equal speed at two sizes": ("STDC1: the same FPS, 112.9", "512x512 in table 2 (page 6), 640x640 in table 5"),
    "mean of things and stuff": ("STDC2 in table 3", "PQ 57.3; the mean of its 8 things (48.6) and 11 stuff"),
}


@pytest.mark.parametrize("name", FOUND)
def test_contradictions_of_the_paper_are_found(name: str) -> None:
    assert [s for s in contradictions() if all(part in s for part in FOUND[name])] != []


def test_consistent_figures_are_not_named() -> None:
    sentences = "\n".join(contradictions())
    assert "UPSNNet" not in sentences
    assert "1 stage" not in sentences  # 61.0 FPS and 16.4 ms
    assert "50 queries" not in sentences  # (8 * 42.9 + 11 * 63.5) / 19 = 54.8
    assert len(contradictions()) == 13
