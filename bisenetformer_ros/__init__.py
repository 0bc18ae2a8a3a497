"""BiSeNetFormer for ROS 2: semantic and panoptic segmentation of camera topics."""

import os
import pkgutil

# PyTorch's OpenMP reads this when torch is imported. Its threads spin for milliseconds where they wait for each other:
# beside busy processes, a frame takes many times as long. docs/performance.md has the measurement.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# In a checkout this directory hides the installed package, and with it the generated messages
# (`bisenetformer_ros.msg`); joining the two paths makes both importable.
__path__ = pkgutil.extend_path(__path__, __name__)

__version__ = "0.1.0"
