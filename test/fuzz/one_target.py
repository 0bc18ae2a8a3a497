"""`one_target.py NAME CORPUS LIBFUZZER_OPTIONS…`: fuzz one target in this process."""

import os
import sys

try:
    import atheris
except ImportError:
    sys.exit("atheris is missing: pip install atheris")

os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
with atheris.instrument_imports(include=["bisenetformer_ros", "rosbags", "mcap"]):
    from targets import TARGETS

    target = TARGETS[sys.argv.pop(1)]
    for seed in target.seeds():
        target.run(seed)  # imports what it needs, which instruments it

atheris.Setup(sys.argv, target.run)
atheris.Fuzz()
