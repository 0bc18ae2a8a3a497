#!/bin/bash
# tools/test_upstream.sh CHECKOUTS: builds upstream's sources that have no wheels into out/upstream/, and runs the tests
# that need them. CHECKOUTS holds the folders launch, launch_ros and rcl_interfaces (of github.com/ros2), vision_opencv
# (of ros-perception) and focoos (of FocoosAI); tests of a missing one skip. Needs a sourced tools/env.sh and, for
# cv_bridge, libboost-python-dev and libopencv-dev for the Python and the C++ compiler in use.
set -euo pipefail
shopt -s nullglob

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
checkouts="$(cd "${1:?expected the folder with the checkouts: make test-upstream CHECKOUTS=folder}" && pwd)"
build="$root/out/upstream"
site="$build/site"
wheels="$root/.venv/include" # the headers of ROS, where it comes from wheels
mkdir -p "$site"

packages=("$checkouts"/{launch/launch,launch_ros/launch_ros,rcl_interfaces/composition_interfaces}/)
if ((${#packages[@]})); then
    CMAKE_PREFIX_PATH="$root/.venv${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}" COLCON_LOG_LEVEL=error python -m colcon \
        --log-base "$build/log" build --build-base "$build/build" --install-base "$build/install" \
        --paths "${packages[@]}" --event-handlers console_direct- --cmake-args \
        -G Ninja -DBUILD_TESTING=OFF "-DPython3_EXECUTABLE=$root/.venv/bin/python"
    set +u
    source "$build/install/local_setup.bash"
    set -u
fi

bridge="$checkouts/vision_opencv/cv_bridge"
boost="boost_python$(python -c 'import sys; print("{}{}".format(*sys.version_info))')"
if [[ -d $bridge && -d $wheels/sensor_msgs ]]; then # a ROS installation brings its own
    rm -rf "$site/cv_bridge"
    cp -r "$bridge/python/cv_bridge" "$site"
    mkdir -p "$site/cv_bridge/boost" "$build/include/cv_bridge"
    echo '#define CV_BRIDGE_EXPORT' >"$build/include/cv_bridge/cv_bridge_export.h"
    touch "$site/cv_bridge/boost/__init__.py"
    headers=("$build/include" "$bridge/include" "$wheels"/*/ "$(python -c 'import numpy; print(numpy.get_include())')"
        "$(python -c 'import sysconfig; print(sysconfig.get_path("include"))')" /usr/include/opencv4)
    c++ -std=c++17 -O1 -w -shared -fPIC -DPYTHON3 -DOPENCV_VERSION_4 "${headers[@]/#/-I}" \
        "$bridge"/src/{cv_bridge,rgb_colors,module,module_opencv4}.cpp -o "$site/cv_bridge/boost/cv_bridge_boost.so" \
        "-l$boost" -lopencv_core -lopencv_imgproc -lopencv_imgcodecs
fi

export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
[[ -d $checkouts/focoos ]] && export FOCOOS_CHECKOUT="$checkouts/focoos"
cd "$root"
python -m pytest test/ros/test_segment_launch.py test/ros/test_cv_bridge_decoder.py test/benchmark/test_authors_sdk.py
