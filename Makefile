# Every target does its own set-up; see dev/. ARGS goes to the tool:
#   make test ARGS="tests/plan -k sites"
# QUICK=1 leaves out the tests that need daemons, ALL=1 leaves out none.
.POSIX:
.PHONY: help demo demo-stop test test-styles test-on test-boot bookworm trixie soak lint bench docs clean
ARGS =
QUICK =
ALL =
SUITE = $(MAKECMDGOALS)

help:
	@echo 'make demo       real Plone behind nginx, Varnish and HAProxy, on http://localhost:8000/'
	@echo 'make demo-stop  stop it'
	@echo 'make test       lint, types, layers and tests  [QUICK=1] [ALL=1] [ARGS="tests/plan -k sites"]'
	@echo 'make test-on trixie     the tests on Debian 13 in a root of its own; or bookworm  [QUICK, ALL, ARGS]'
	@echo 'make test-boot  under a booted systemd, with logins  [SUITE=trixie] [ARGS]'
	@echo 'make test-styles  real Plone in buildouts of some thirty styles, one after the other'
	@echo 'make soak       five minutes of edits, visits and kill -9 on real Plone'
	@echo 'make lint       lint, types and layers alone'
	@echo 'make bench      the measurements in benchmarks/    [ARGS="one.py"]'
	@echo 'make docs       write docs/reference anew'
	@echo 'make clean      remove what buildout and the tools wrote; data in var/ stay'

demo:
	@dev/bootstrap
	@dev/as-user demo dev/demo start

demo-stop:
	@dev/as-user demo dev/demo stop

test:
	@dev/bootstrap test
	@quick="$(QUICK)" all="$(ALL)"; dev/as-user test dev/test $${quick:+--quick} $${all:+--all} $(ARGS)

# `make test-on trixie`, which needs GNU make, or `make test-on SUITE=trixie`.
test-on:
	@quick="$(QUICK)" all="$(ALL)"; dev/test-on "$(SUITE)" $${quick:+--quick} $${all:+--all} $(ARGS)

# `make test-boot`, `make test-boot trixie` or `make test-boot SUITE=trixie`.
test-boot:
	@dev/test-on --boot "$(SUITE)" $(ARGS)

bookworm trixie: $(if $(filter test-boot,$(MAKECMDGOALS)),test-boot,test-on)
	@:

soak:
	@dev/bootstrap test
	@dev/as-user test env PRODUCTIONSTACK_SOAK=300 dev/test tests/plone/test_soak.py

test-styles:
	@dev/bootstrap test
	@dev/as-user test env PRODUCTIONSTACK_STYLES=1 dev/test tests/plone/test_styles.py $(ARGS)

lint:
	@dev/bootstrap
	@dev/as-user test dev/lint

bench:
	@dev/bootstrap bench
	@dev/as-user bench dev/bench $(ARGS)

docs:
	@dev/bootstrap
	@dev/docs

clean:
	@dev/clean
