# Works with GNU make and BSD make. Every target installs what it needs.
#
#   make lab          the main job on this machine: two routers, one session, a failover (ARGS=--json, RUNTIME=bun)
#   make test         the tests
#   make lab-kernel   the same on a real Linux kernel against a real Access Concentrator (root, Debian packages);
#                     ARGS=--all every fault, ARGS=--guide what docs/linux.md says
#   make test-freebsd the tests of a real FreeBSD kernel (root on a FreeBSD host)
#   make test-freebsd-kit  the same as a tarball, for a FreeBSD host that has Node.js or Bun and nothing else
#   make sim          two simulated routers, one virtual clock, many seeds (RUNS= SEED= JOBS= ARGS=--json)
#   make sim-mutants  that the simulator notices every deliberate fault
#   make check        types, lint, format, import rules
#   make install      DESTDIR=, PREFIX=/usr/local; make deinstall takes it away and leaves every configuration
#   make dist         a tarball that needs a runtime and nothing else (OS=freebsd CPU=x64; this system's unless given)

NPM = npm
NODE = node
RUNTIME = node
ARGS =
RUNS = 20000
SEED = 1
JOBS =
OS =
CPU =
DESTDIR =
PREFIX ?= /usr/local

INSTALLED = node_modules/.package-lock.json

build: $(INSTALLED)
	@npx tsc -b

$(INSTALLED): package-lock.json
	@$(NPM) ci --no-audit --no-fund --loglevel=error
	@npx tap build >/dev/null
	@touch $(INSTALLED)

lab: build
	@RUNTIME=$(RUNTIME) $(NODE) packages/lab/dist/main.js $(ARGS)

lab-kernel: build
	@$(NODE) packages/lab/dist/kernel/main.js $(ARGS)

sim: build
	@$(NODE) packages/lab/dist/campaign/main.js --runs $(RUNS) --seed $(SEED) $(JOBS:%=--jobs %) $(ARGS)

sim-mutants: build
	@$(NODE) packages/lab/dist/campaign/mutate.js $(JOBS:%=--jobs %) $(ARGS)

test: build
	@$(NPM) test --silent

# First what it would refuse after a long build.
test-freebsd-here:
	@NODE='$(NODE)' sh packaging/freebsd/test.sh check

test-freebsd: test-freebsd-here build
	@NODE='$(NODE)' sh packaging/freebsd/test.sh

test-freebsd-kit: build
	@NODE='$(NODE)' sh packaging/freebsd/kit.sh '$(OS)' '$(CPU)'

# What is installed: the lab and the tests are not.
programs: $(INSTALLED)
	@npx tsc -b packages/ctl packages/helper

install: programs
	@tree=$$($(NODE) packaging/tree.mjs '$(OS)' '$(CPU)') && \
		DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' sh "$$tree/install.sh"

deinstall:
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' sh packaging/install.sh -u

dist: programs
	@NODE='$(NODE)' sh packaging/dist.sh '$(OS)' '$(CPU)'

check: build
	@npx oxlint --deny-warnings
	@npx prettier --check --log-level warn .

format: $(INSTALLED)
	@npx prettier --write --log-level warn .

clean:
	rm -rf packages/*/dist packages/*/*.tsbuildinfo test/dist dist stage

.PHONY: build lab lab-kernel sim sim-mutants test test-freebsd test-freebsd-here test-freebsd-kit programs install deinstall dist check format clean
