import pytest

from bisenetformer_ros.images.stamps import count_missing


@pytest.mark.parametrize(
    ("stamps", "missing"),
    [
        ([0.1 * i for i in range(20)], 0),
        ([0.1 * i for i in range(20) if i not in (5, 6, 11)], 3),
        ([0.1 * i for i in (0, 4, 5, 9, 12, 13, 17, 20)], 13),  # most are lost, the period is still found
        ([0.1 * i + 0.015 * (i % 2) for i in range(20)], 0),  # jitter is no loss
        ([0.1 * i + 0.008 * (i % 3) for i in range(20) if i not in (5, 6, 11)], 3),  # loss and jitter
        ([0.01 * i * i for i in range(20)], 0),  # there is no period
        ([0.2 * i + delay for i in range(8) for delay in (0.0, 0.023)], 0),  # two at a time
        ([0.0, 0.5, 0.6], 0),  # too few to tell
        ([0.0] * 20, 0),  # a camera that does not stamp
        ([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 0.2, 0.3, 0.4], 0),  # a recording that begins anew
        ([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1e9, 1e9 + 0.1], 0),  # another recording
    ],
)
def test_missing_frames_show_in_the_stamps(stamps, missing):
    assert count_missing(stamps) == missing
