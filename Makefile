# Two commands do it all: `make demo` and `make test`. The rest is for those who change things.
.PHONY: demo test check bench docs install
BIN := .venv/bin

demo: install
	@$(BIN)/meetcore demo

test: install
	@sh .ci/setup tests
	@$(BIN)/pytest -q

check: install
	@sh .ci/check

bench: install
	@$(BIN)/python -m benchmarks

docs: install
	@$(BIN)/python -m docs.reference.generate

install:
	@sh .ci/setup
