"""BiSeNetFormer for ROS 2: semantic and panoptic segmentation of camera topics."""

import pkgutil

# In a checkout this directory hides the installed package, and with it the generated messages
# (`bisenetformer_ros.msg`); joining the two paths makes both importable.
__path__ = pkgutil.extend_path(__path__, __name__)

__version__ = "0.1.0"
