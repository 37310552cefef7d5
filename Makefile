# The front door. Meson does the building; tools/setup installs what is missing on the machine.

BUILD ?= build
FUZZ_SECONDS ?= 600
# Warnings are errors where nobody looks at them.
WERROR := $(if $(CI),true,false)

.DEFAULT_GOAL := all
.NOTPARALLEL: # apt-get and ninja each want the machine for themselves
.PHONY: all program venv wheel demo test bench fuzz asan format check clean help setup setup-tests setup-aarch64 setup-free-threaded oracle aarch64

all: program venv ## build the program (build/pyrometer) and the development venv (build/venv)

program: setup ## build the program only
	@tools/build $(BUILD) -Dwerror=$(WERROR)

venv: setup $(BUILD)/venv/.ready

$(BUILD)/venv/.ready: tests/requirements.txt
	@tools/venv $(BUILD)/venv

wheel: venv ## build the wheel for Python 3.11 and later into dist/, and check it
	@tools/wheel $(BUILD)/venv dist

demo: program ## see it work: a slow program profiled, a running one attached to, profile.svg
	@tools/demo $(BUILD)/pyrometer

test: setup-tests program venv ## every test there is; the last line counts them
	@tools/run_tests $(BUILD)

oracle: setup-tests program venv ## the long campaign: a million samples on each Python (hours; ARGS=--help)
	@PYROMETER=$(abspath $(BUILD))/pyrometer tests/oracle/run $(ARGS)

bench: setup-tests program venv ## compare with other profilers, side by side
	@bench/run $(BUILD) $(ARGS)

fuzz: setup-tests ## fuzz every target for FUZZ_SECONDS each (default 600)
	@tools/build build-fuzz
	@tools/fuzz build-fuzz $(FUZZ_SECONDS)

asan: setup-tests ## the unit tests and the fuzzing corpora under ASan and UBSan
	@tools/run_tests $(BUILD) asan

aarch64: setup-aarch64 ## compile for aarch64, and run there by qemu what unit tests it can
	@tools/aarch64

format: setup-tests ## format the C code
	@tools/format

check: ## quick: layers and formatting
	@tools/check_layers
	@tools/format --check

clean: ## remove everything that was built
	rm -rf $(BUILD) build-aarch64 build-asan build-bench build-faults build-fuzz build-tsan build-wheel dist profile.svg

help: ## this list
	@echo "make [target], with"
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1@\2/p' Makefile | column -t -s@ 2>/dev/null \
	    || sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1: \2/p' Makefile

setup:
	@tools/setup

setup-tests:
	@tools/setup --tests

setup-aarch64:
	@tools/setup --aarch64

setup-free-threaded: ## build Pythons without a GIL for the tests, from Debian's sources (minutes each; not part of make test)
	@tools/setup --free-threaded
	@tools/pythons --create-free-threaded >/dev/null
