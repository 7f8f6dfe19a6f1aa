# Two commands do it all: `make demo` and `make test`. The rest is for those who change things.
.PHONY: demo test quick check bench soak docs dist install
BIN := .venv/bin
# Some images forbid Python to keep what it compiled; then everything takes half as long again.
unexport PYTHONDONTWRITEBYTECODE

demo: install
	@$(BIN)/meetcore demo

test: install
	@sh .ci/setup tests
	@sh .ci/test

quick: install
	@$(BIN)/pytest -q -n 2 -m "not browser" tests/meetcore tests/house \
		--ignore tests/meetcore/fleet/launching --ignore tests/meetcore/cli

check: install
	@sh .ci/setup tests
	@sh .ci/check

bench: install
	@$(BIN)/python -m benchmarks

soak: install
	@sh .ci/setup tests
	@$(BIN)/python -m tests.soak $(if $(VISITS),--visits $(VISITS),--minutes $(or $(MINUTES),120))

docs: install
	@$(BIN)/python -m docs.reference.generate

dist: install
	@.ci/dist

install:
	@sh .ci/setup
