import threading

import pytest
from patience import LIMIT_S

from bisenetformer_ros.in_thread import in_thread


def test_the_result_comes_from_a_thread_of_that_name_that_keeps_nobody_waiting() -> None:
    thread = in_thread(threading.current_thread, "opening").result(LIMIT_S)
    assert (thread.name, thread.daemon) == ("opening", True)


@pytest.mark.parametrize("error", [ValueError("wrong"), SystemExit(2)])
def test_errors_of_every_kind_come_with_the_result(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        in_thread(fail, "failing").result(LIMIT_S)
