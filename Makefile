# make setup | demo | test | lint | format | clean
#
# setup   everything into .venv/, build/ and install/; PYTHON=python3.12 and ROS_DISTRO=jazzy choose, nothing is
#         done when all is up to date
# demo    a synthetic drive through the node; SOURCE=folder, video, rosbag2 or webcam plays that instead
# test    all tests
# lint    style and types
# format  rewrites the style
# docs    rewrites what the documents take from the source: the table of the node's parameters
# clean   removes what setup made

SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
.DEFAULT_GOAL := setup
.PHONY: setup demo test lint format docs clean

# The Python of the last set-up, unless another one is asked for.
PYTHON ?= $(or $(realpath .venv/bin/python),python3)
override SOURCE := $(value SOURCE)
export SOURCE

IN_WORKSPACE := source tools/env.sh;

setup:
	@'$(PYTHON)' tools/setup_workspace

demo: setup
	@$(IN_WORKSPACE) python -m bisenetformer_ros.cli demo $${SOURCE:+--source "$$SOURCE"}

test: setup
	@$(IN_WORKSPACE) python -m pytest test

lint: setup
	@$(IN_WORKSPACE) ruff check .; ruff format --check .; mypy

format: setup
	@$(IN_WORKSPACE) ruff format .; ruff check --fix .

docs: setup
	@$(IN_WORKSPACE) python tools/parameter_tables.py

clean:
	rm -rf .venv build install
