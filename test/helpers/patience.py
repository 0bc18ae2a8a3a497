"""How long tests wait for what usually takes a second or two. No test is about how long something takes."""

LIMIT_S = 400.0
"""Safety net for one wait; `timeout` in pyproject.toml is the one for a whole test."""
