import io

from rich.console import Console

from bisenetformer_ros.training.progress import ProgressBar


def shown(text: io.StringIO) -> str:
    return " ".join(text.getvalue().split())


def test_a_run_is_told_in_a_terminal_of_80_columns() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=80, color_system=None)
    with ProgressBar(console, iteration=80099, iterations=90000) as bar:
        bar.on_iteration(80100, {"loss": 12.345, "data_s": 0.012, "step_s": 1.5})
        bar.on_validation_image(1, 8)
        bar.on_validation_image(8, 8)
        bar.on_validation(80100, {"miou": 0.5, "pixel_accuracy": 0.9, "pq": 0.25, "pq_things": float("nan")}, [])
    assert "80100/90000 --:-- loss 12.35, data 0.01 s, step 1.50 s" in shown(text)
    assert "after iteration 80100: mIoU 50.0, PQ 25.0, PQ things -" in shown(text)


def test_outside_of_a_terminal_the_validations_are_told() -> None:
    text = io.StringIO()
    with ProgressBar(Console(file=text, width=100), iteration=0, iterations=10) as bar:
        bar.on_iteration(1, {"loss": 1.0, "data_s": 0.0, "step_s": 1.0})
        bar.on_validation(5, {"miou": 0.125}, [])
    assert "after iteration 5: mIoU 12.5" in text.getvalue()
