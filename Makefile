# Two commands do it all: `make demo` and `make test`. The rest is for those who change things.
.PHONY: demo test quick check bench soak faults docs dist notes bump chroot install
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

faults: install
	@sh .ci/setup tests
	@$(BIN)/python -m tests.faults $(if $(MINUTES),--minutes $(MINUTES))

docs: install
	@$(BIN)/python -m docs.reference.generate

dist:
	@.ci/dist

# What the next release's notes say; WRITE=1 puts them into CHANGELOG.md and takes the fragments away.
notes: install
	@$(BIN)/towncrier build --version "$$(.ci/bump)" $(if $(WRITE),--yes,--draft)

bump:
	@.ci/bump $(VERSION)

# The images' steps in a root of Debian, without Docker; see docs/how-to/deploy.md.
chroot:
	@deploy/build-in-chroot --target $(or $(TARGET),bot)

install:
	@sh .ci/setup
