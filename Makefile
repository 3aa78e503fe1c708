# Sinew in a clone. `make demo` and `make test` are all that the README asks for.
#   make setup                       set up only; tries at once again to fetch what an earlier set-up could not
#   make demo [VIDEO=clip.mp4]       set up, reconstruct, build a .blend, render a preview, report
#   make test                        the tests, on one Blender version (BLENDER=4.2|4.5|5.0|5.2)
#   make sinew ARGS="info out/walk"  the command line in the environment made here
#   make blend TAKE=out/walk OUT=walk.blend
#   make bench [NAMES="fit sample"]  measure; writes docs/benchmarks.md when no NAMES are given
#   make zip                         the extension, build/sinew-<version>.zip
SHELL := /bin/bash
HOST_PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3 python,$(if $(shell command -v $(p) 2>/dev/null),$(p))))
SETUP := $(HOST_PYTHON) backend/tools/setup_env.py
BLENDER ?=
VIDEO ?= docs/sample/walk.mp4
ARGS ?= --help
export SINEW_CACHE ?= $(CURDIR)/.cache/sinew
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: demo test test-engine test-blender sinew blend bench zip lint setup check-host clean

check-host:
	@test -n "$(HOST_PYTHON)" || { echo "setup: Python was not found; install Python 3.11, then run the same command again." >&2; exit 2; }

setup: check-host
	@$(SETUP) backend $(if $(filter setup,$(MAKECMDGOALS)),--again)
	@$(SETUP) blender $(BLENDER)

demo: setup
	@$$($(SETUP) where backend) backend/tools/demo.py --video "$(VIDEO)" --blender-python "$$($(SETUP) where blender $(BLENDER))"

test: setup test-engine test-blender

test-engine: check-host
	@$(SETUP) backend
	$$($(SETUP) where backend) -m pytest tests/contract tests/engine tests/addon tests/end_to_end

test-blender: check-host
	@$(SETUP) blender $(BLENDER)
	@$(SETUP) backend
	SINEW_BACKEND_PYTHON=$$($(SETUP) where backend) $$($(SETUP) where blender $(BLENDER)) -m pytest tests/blender

sinew: check-host
	@$(SETUP) backend
	@$$($(SETUP) where backend) -m sinew $(ARGS)

zip: check-host
	@$(SETUP) blender $(BLENDER)
	@$$($(SETUP) where blender $(BLENDER)) backend/tools/build_zip.py --out build

blend: zip
	@test -n "$(TAKE)" -a -n "$(OUT)" || { echo "blend: Name the take and the file, as in make blend TAKE=out/walk OUT=walk.blend." >&2; exit 2; }
	@$$($(SETUP) where blender $(BLENDER)) backend/tools/make_blend.py --zip build/sinew.zip --take "$(TAKE)" --out "$(OUT)"

bench: setup
	@SINEW_BLENDER_PYTHON="$$($(SETUP) where blender $(BLENDER))" $$($(SETUP) where backend) -m sinew bench $(NAMES) $(if $(NAMES),,--markdown docs/benchmarks.md --json build/benchmarks.json)

lint: check-host
	@$(SETUP) backend
	$$($(SETUP) where backend) -m ruff check .

clean:
	rm -rf build out .cache
