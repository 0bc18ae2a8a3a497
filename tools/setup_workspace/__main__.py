"""`python3 tools/setup_workspace`: builds .venv/, build/ and install/ at the root of the checkout; see workspace.py.

With `--oldest` it builds .venv-oldest/ for `make test-oldest` instead.
"""

import sys

from checks import SetupError, check_python_is_new_enough

if __name__ == "__main__":
    try:
        check_python_is_new_enough()  # the other modules do not even parse on an older one
        from workspace import main

        sys.exit(main())
    except SetupError as error:
        sys.exit(f"make setup: error: {error}")
