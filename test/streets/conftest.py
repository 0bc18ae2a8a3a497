from dataclasses import replace

import pytest

from bisenetformer_ros.streets.light import random_light
from bisenetformer_ros.streets.textures import generator


@pytest.fixture
def light():
    return replace(random_light(generator(0)), fog_density=0.0)
