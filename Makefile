# The pip world: one virtual environment with rclpy from PyPI wheels, no ROS on the machine.
# The ROS world does not use this file: colcon build, ros2 launch.

VENV ?= .venv
ARGS ?=
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(IN_RANGE)' 2>/dev/null && { echo $$python; break; }; done)

# Whose wheels: jazzy or kilted.  They share their names, so each has a venv of its own.
ROS ?= jazzy
CONSTRAINTS := $(if $(filter kilted,$(ROS)),$(VENV)/constraints.txt,constraints.txt)

IN_RANGE := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
comma := ,
BIN = $(VENV)/bin
REQUIREMENTS := setup.py package.xml constraints.txt
SOURCES = $(wildcard setup.py rl_robot_ros launch test benchmarks)
# The numeric core and everything that reads the network; below 90 % `make coverage` fails.
COVERED := rl_robot_ros.core rl_robot_ros.safety rl_robot_ros.memory rl_robot_ros.wire
COVERAGE = $(COVERED:%=--cov=%) --cov-report=term:skip-covered --cov-fail-under=90
# Graphs of processes one after another, everything else beside them; see test/conftest.py.
WHOLE := -n 2 --dist loadgroup
QUICK := not linter and not robot and not own and not chaos

ifdef CPU
INDEX := --extra-index-url https://download.pytorch.org/whl/cpu
endif

# A sourced /opt/ros must not leak into the venv: its libraries are of another build.
unexport AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH PYTHONPATH
unexport ROS_DISTRO ROS_PYTHON_VERSION ROS_VERSION _ROS_WHEELS_BOOTSTRAP_COMPLETE
ifneq ($(findstring /opt/ros,$(LD_LIBRARY_PATH)),)
unexport LD_LIBRARY_PATH
endif
export RMW_IMPLEMENTATION := rmw_fastrtps_cpp
# Every node would compile all of torch at every start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help train test test-kilted coverage robot own-robot chaos soak lint bench safety
.PHONY: safety-long mutants clean supported

help:  ## show the targets and variables
	@sed -nE 's/^([a-z-]+):.*  ## (.*)/  make \1 \2/p' $(MAKEFILE_LIST) | \
		awk '{printf "  make %-11s", $$2; $$1 = $$2 = ""; print}'
	@echo
	@echo 'ARGS=...    goes to the program, as in: make train ARGS="task=reach task.bonus=2"'
	@echo '            or to pytest: make test ARGS="test/core -k policy"'
	@echo 'VENV=...    the virtual environment (default .venv)'
	@echo 'PYTHON=...  the Python it is made from (3.11 to 3.13)'
	@echo 'CPU=1       install the CPU build of PyTorch, which is much smaller'

train: $(VENV)/.installed-train  ## install, then train robot arm7 on task reach
	$(BIN)/rl-robot train $(ARGS)

test: lint  ## install, lint, then run every test
	$(BIN)/python -m pytest -m '$(QUICK)' $(if $(ARGS),,$(WHOLE)) $(ARGS)

coverage: $(VENV)/.installed-test  ## count the lines that tests of core, safety, memory, wire run
	$(BIN)/python -m pytest -n 2 test/core test/safety test/memory test/test_wire.py \
		$(COVERAGE) $(ARGS)

robot: $(VENV)/.installed-test  ## run the graph for real robots against a stand-in for one
	$(BIN)/python -m pytest -m robot $(ARGS)

own-robot: $(VENV)/.installed-test  ## take a URDF to a trained policy as docs/own_robot.md does
	$(BIN)/python -m pytest -m own $(ARGS)

test-kilted:  ## the same tests on the wheels of ROS 2 Kilted, in .venv-kilted
	$(MAKE) test ROS=kilted VENV=$(VENV)-kilted

chaos: $(VENV)/.installed-test  ## kill, stop, flood and corrupt the running graph, then audit it
	PYTHONPATH=test:benchmarks $(BIN)/python -m chaos.run $(ARGS)

soak: $(VENV)/.installed-train  ## run four robots for an hour, watch memory and deadlines
	$(BIN)/python benchmarks/soak.py $(ARGS)

lint: $(VENV)/.installed-test  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ament_flake8 $(SOURCES)
	$(BIN)/ament_pep257 $(SOURCES)
	$(BIN)/mypy

bench: $(VENV)/.installed-train  ## time one round of the graph against a bare ring
	$(BIN)/python benchmarks/ring.py $(ARGS)

safety: $(VENV)/.installed-train  ## attack the safety filter on three arms, a million steps a row
	$(BIN)/python benchmarks/safety.py $(ARGS)
	$(BIN)/python benchmarks/safety.py --behaviour
	$(BIN)/python benchmarks/collision.py
	$(BIN)/python benchmarks/fuzz.py

safety-long: $(VENV)/.installed-train  ## the same with ten million steps a row
	$(BIN)/python benchmarks/safety.py --steps 10000000 $(ARGS)
	$(BIN)/python benchmarks/collision.py --steps 10000000
	$(BIN)/python benchmarks/fuzz.py --count 10000000

mutants: $(VENV)/.installed-mutation  ## break the limits on purpose, count what the tests notice
	$(BIN)/python benchmarks/mutation.py $(ARGS)

clean:  ## remove the default venv, builds and caches; runs/ stays
	rm -rf .venv .venv-kilted build install log *.egg-info .coverage .*_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

supported:
	@case "$$(uname -s) $$(uname -m)" in \
	'Linux x86_64') ;; \
	*) echo "make needs Linux on x86_64, this is $$(uname -s) on $$(uname -m): there are no" \
		"rclpy wheels for it."; $(ROS_WAY); exit 1;; esac
	@$(or $(PYTHON),false) -c '$(IN_RANGE)' 2>/dev/null || { \
		echo "make needs Python 3.11, 3.12 or 3.13 and found" \
		"$$($(or $(PYTHON),python3) --version 2>&1 | head -n 1)." \
		'Name one with PYTHON=/path/to/python3.12.'; $(ROS_WAY); exit 1; }

define ROS_WAY
echo 'With ROS 2 Jazzy or Kilted from apt, build it in a workspace instead:'; \
echo '  rosdep install --from-paths src --ignore-src -y && colcon build &&'; \
echo '  . install/setup.bash && ros2 launch rl_robot_ros train.launch.py'
endef

# The build tools of constraints.txt come first, so that nothing is built by unknown versions.
# Python compiles what it imports; compiling all of torch beforehand would take half of the time.
PIP_INSTALL = $(BIN)/pip install --no-compile $(INDEX) --constraint $(CONSTRAINTS)
define install
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { \
		echo 'No virtual environment: on Debian and Ubuntu, apt-get install python3-venv.'; exit 1; }
	$(PIP_INSTALL) setuptools wheel
	$(PIP_INSTALL) --no-build-isolation --editable '.[ros-$(ROS),$(1)]'
endef

# What does not belong to ROS has the same version beside either of them.
$(VENV)/constraints.txt: constraints.txt constraints-kilted.txt
	mkdir -p $(@D)
	{ grep -v '^ros-' constraints.txt; cat constraints-kilted.txt; } > $@

$(VENV)/.installed-train: $(REQUIREMENTS) | supported $(CONSTRAINTS)
	$(call install,train$(comma)bags)
	@touch $@

# Holds what training needs as well, so `make train` after `make test` installs nothing.
$(VENV)/.installed-test: $(REQUIREMENTS) | supported $(CONSTRAINTS)
	$(call install,train$(comma)dev)
	@touch $@ $(VENV)/.installed-train

$(VENV)/.installed-mutation: $(VENV)/.installed-test
	$(PIP_INSTALL) cosmic-ray
	@touch $@
