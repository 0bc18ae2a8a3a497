# make setup | demo | test | lint | format | docs | bench | soak | fuzz | bench-ros | clean
#
# setup   everything into .venv/, build/ and install/; PYTHON=python3.12 and ROS_DISTRO=jazzy choose, nothing is
#         done when all is up to date
# demo    a synthetic drive through the node; SOURCE=folder, video, rosbag2 or webcam plays that instead
# test    all tests but the slow ones, in JOBS=N processes (default: one per core, at most 4)
# test-quick     the tests without ROS, engines, trainings, reports and whole commands: under a minute
# test-slow      trainings of half an hour
# test-oldest    the tests without ROS in .venv-oldest/, with the oldest allowed packages, and inference with its oldest
#                PyTorch; OLDEST_PYTHON=python3.10
# test-upstream  the tests against upstream's sources, in the folders launch, launch_ros, rcl_interfaces, vision_opencv
#                and focoos of CHECKOUTS=folder
# lint    style and types
# format  rewrites the style
# docs    rewrites the table of the node's parameters in the documents and builds the site, out/site/index.html
# bench   every engine at 512x1024 and 1024x2048, both tasks, ROUNDS=10 frames each; figures go to out/bench/
# soak    two cameras at twice the rate that can be served, for DURATION=1200 seconds; the curve goes to out/soak/
# fuzz    mutated images, labels, bags, recipes and weights for DURATION=3600 seconds; needs atheris
# bench-ros  what ROS adds to the inference
# clean   removes what setup made

SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
.DEFAULT_GOAL := setup
.PHONY: setup demo test test-quick test-slow test-oldest test-upstream lint format docs bench soak fuzz bench-ros clean

# The Python of the last set-up, unless another one is asked for.
PYTHON ?= $(or $(realpath .venv/bin/python),python3)
OLDEST_PYTHON ?= python3.10
override SOURCE := $(value SOURCE)
export SOURCE

# Tests run in as many processes as there are cores, at most 4, since each starts nodes of its own.
JOBS ?= $(shell echo $$(($$(nproc) < 4 ? $$(nproc) : 4)))
PYTEST = python -m pytest -n $(JOBS) --dist loadfile
IN_WORKSPACE := source tools/env.sh;
IN_OLDEST := env -u PYTHONPATH -u AMENT_PREFIX_PATH PATH='$(CURDIR)/.venv-oldest/bin':"$$PATH"
INFERENCE := model test_segmenter.py inference/engines/test_torch.py inference/engines/test_cuda_graph.py
NOT_QUICK := benchmark cli evaluation inference/engines inference/graph inference/test_fused.py inference/test_verify.py \
  models replay reports ros streets training data/test_catalog.py model/test_authors.py model/test_counts.py \
  model/test_imagenet.py test_commands.py test_examples.py test_libraries.py test_openmp.py test_programs.py \
  test_resources.py test_setup.py

setup:
	@'$(PYTHON)' tools/setup_workspace

demo: setup
	@$(IN_WORKSPACE) python -m bisenetformer_ros.cli demo $${SOURCE:+--source "$$SOURCE"}

test: setup
	@$(IN_WORKSPACE) $(PYTEST) test

test-quick: setup
	@$(IN_WORKSPACE) $(PYTEST) test -k 'not memory' $(addprefix --ignore=test/,$(NOT_QUICK))

test-oldest:
	@'$(OLDEST_PYTHON)' tools/setup_workspace --oldest
	@$(IN_OLDEST) $(PYTEST) test
	@$(IN_OLDEST) PYTHONPATH=.venv-oldest/oldest-torch .venv-oldest/bin/python -m pytest $(addprefix test/,$(INFERENCE))

test-upstream: setup
	@$(IN_WORKSPACE) tools/test_upstream.sh '$(abspath $(CHECKOUTS))'

test-slow: setup
	@$(IN_WORKSPACE) python -m pytest test -m slow -s

lint: setup
	@$(IN_WORKSPACE) ruff check .; ruff format --check .; mypy

format: setup
	@$(IN_WORKSPACE) ruff format .; ruff check --fix .

docs: setup .venv-docs/installed
	@$(IN_WORKSPACE) python tools/parameter_tables.py
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build

# A venv of its own, so that `make setup` does not install what only the site needs.
.venv-docs/installed: tools/requirements/docs.txt
	'$(PYTHON)' -m venv --clear .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench: setup
	@mkdir -p out/bench; $(IN_WORKSPACE) for task in semantic panoptic; do \
	  python -m bisenetformer_ros.cli benchmark --model bisenetformer-stdc1 --size 512x1024 --size 1024x2048 --task $$task \
	    --rounds $(or $(ROUNDS),10) --json out/bench/$$task.json --markdown out/bench/$$task.md \
	    || (( $$? == 1 )); \
	done  # 1: an engine does not agree with PyTorch, which it says

soak: setup
	@$(IN_WORKSPACE) python test/soak --duration $(or $(DURATION),1200)

fuzz: setup
	@$(IN_WORKSPACE) python test/fuzz --duration $(or $(DURATION),3600)

bench-ros: setup
	@$(IN_WORKSPACE) python tools/ros_overhead

clean:
	rm -rf .venv .venv-docs .venv-oldest build install
