"""Installs the Python package with pip. `colcon build` uses CMakeLists.txt, which adds the ROS 2 messages."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
SHARE = Path("share/bisenetformer_ros")
SHARED = ("config", "msg", "tools/vision_msgs_underlay/msg")  # the messages are written into bags

# What a bound says is tested: tools/requirements/oldest.txt and oldest-torch.txt, `make test-oldest`.
MODEL = ["scipy>=1.8", "torch>=2.3", "safetensors>=0.4"]
ONNX = ["onnx>=1.17", "onnxruntime>=1.21"]
TENSORBOARD = ["tensorboard>=2.13", "pillow>=9.1"]
BAGS = ["mcap>=1.1", "rosbags>=0.11.6", "zstandard>=0.18"]
DOWNLOAD = ["pooch>=1.6", "requests>=2.25"]  # an extra: a robot without network gets the files copied
PYTEST = ["pytest>=7.0", "pytest-timeout>=2.1", "pytest-xdist>=3.0"]
TEST = [*PYTEST, *TENSORBOARD, *DOWNLOAD, "mcap-ros2-support>=0.5", "transformers>=4.57"]
TRITON = "triton; sys_platform == 'linux' and platform_machine == 'x86_64'"  # its interpreter tests kernels on CPUs
EXTRAS = {
    "torch": MODEL,
    "onnx": ONNX,
    "openvino": ["onnx>=1.17", "openvino>=2025.0"],
    "export": [*MODEL, *ONNX, "torch>=2.8", "onnxscript>=0.7.2"],  # for workstations: JetPack 6 has older builds
    "training": [*MODEL, "pillow>=9.1"],
    "tensorboard": TENSORBOARD,
    "demo": [*MODEL, "pillow>=9.1", *BAGS],
    "bags": [*MODEL, *BAGS],
    "download": [*MODEL, *DOWNLOAD],
    "test": TEST,
    "dev": [*TEST, "mypy", "ruff", "types-PyYAML", TRITON],
}


def version() -> str:
    """The one version number, `__version__` of the package, read without importing it."""
    lines = (ROOT / "bisenetformer_ros" / "__init__.py").read_text(encoding="utf-8").splitlines()
    assignment = next(line for line in lines if line.startswith("__version__"))
    return assignment.split('"')[1]


def shared_files() -> list[tuple[str, list[str]]]:
    """Every directory of SHARED with the files in it, to be installed under share/."""
    paths = (path for folder in SHARED for path in (ROOT / folder).rglob("*"))
    files = sorted(path.relative_to(ROOT) for path in paths if path.is_file())
    directories = sorted({file.parent for file in files})
    return [(str(SHARE / directory), [str(f) for f in files if f.parent == directory]) for directory in directories]


setup(
    name="bisenetformer_ros",
    version=version(),
    description="Real-time semantic and panoptic segmentation of camera topics with BiSeNetFormer",
    license="Apache-2.0",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in (10, 11, 12, 13)),
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    python_requires=">=3.10",
    packages=find_packages(include=["bisenetformer_ros*"]),
    package_dir={"": "."},  # said explicitly: `pip install -e` then adds the checkout to sys.path instead of a finder
    package_data={"bisenetformer_ros": ["py.typed"]},
    data_files=shared_files(),
    install_requires=["numpy>=1.21", "opencv-python-headless>=4.5.5", "PyYAML>=6.0", "rich>=12.6"],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["bisenetformer = bisenetformer_ros.cli.__main__:main"]},
    zip_safe=False,
)
