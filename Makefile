# Works with GNU make and BSD make. Every target installs what it needs.
#
#   make lab          the main job on this machine: two routers, one session, a failover (ARGS=--json, RUNTIME=bun)
#   make test         the tests
#   make lab-kernel   the same on a real Linux kernel against a real Access Concentrator (root, Debian packages);
#                     ARGS=--all every fault, ARGS=--guide what docs/linux.md says, ARGS=--ipv6 with a DHCPv6 server,
#                     ARGS='--handoffs 20' or '--kills 20' a series at 1 kHz, and beside stock pppd ARGS='--dial --bars 5'
#                     dials, ARGS='--throughput 5' TCP
#   make test-freebsd the tests of a real FreeBSD kernel (root on a FreeBSD host)
#   make test-freebsd-kit  the same as a tarball, for a FreeBSD host that has Node.js or Bun and nothing else
#   make sim          two simulated routers, one virtual clock, many seeds (RUNS= SEED= JOBS= ARGS=--json)
#   make sim-system   the same with the real processes on two FreeBSD kernels in octets (RUNS= SEED= JOBS= ARGS=)
#   make fuzz         every decoder, led by the coverage (SECONDS= for each; ARGS='--target NAME --keep')
#   make sim-mutants  that the simulator notices every deliberate fault
#   make bench        what a takeover costs: many lines, the fake FreeBSD kernel, the Linux kernel (ARGS=--json, --runs N)
#   make check        types, lint, format, import rules
#   make install      DESTDIR=, PREFIX=/usr/local; make deinstall takes it away and leaves every configuration
#   make dist         a tarball that needs a runtime and nothing else (OS=freebsd CPU=x64; this system's unless given)
#   make deb          packages of Debian: one needs nodejs, one brings it (CPU=arm64; this machine's unless given)
#   make pkg          packages of FreeBSD: one needs node24, one brings Bun (CPU=arm64)
#   make release      all of them for every system and processor, and SHA256SUMS

# Every command runs on NODE if it is given (a path), else on this system's Node.js if it is 22 or newer, else on the
# one that npm brings.
NPM = npm
NODE =
RUNTIME = node
ARGS =
RUNS = 20000
SECONDS = 30
# The whole system costs a hundred times as much.
SYSTEM_RUNS = $(RUNS:20000=2000)
SEED = 1
JOBS =
OS =
CPU =
DESTDIR =
PREFIX ?= /usr/local

RUN = NODE='$(NODE)' sh packaging/with-node.sh

INSTALLED = node_modules/.package-lock.json

build: $(INSTALLED)
	@$(RUN) tsc -b

$(INSTALLED): package-lock.json .taprc
	@$(NPM) ci --no-audit --no-fund --loglevel=error
	@$(RUN) tap build >/dev/null
	@touch $(INSTALLED)

lab: build
	@RUNTIME=$(RUNTIME) $(RUN) node packages/lab/dist/main.js $(ARGS)

lab-kernel: build
	@$(RUN) node packages/lab/dist/kernel/main.js $(ARGS)

bench: build
	@$(RUN) node packages/lab/dist/bench/main.js $(ARGS)

sim: build
	@$(RUN) node packages/lab/dist/campaign/main.js --runs $(RUNS) --seed $(SEED) $(JOBS:%=--jobs %) $(ARGS)

sim-system: build
	@$(RUN) node packages/lab/dist/system/main.js --runs $(SYSTEM_RUNS) --seed $(SEED) $(JOBS:%=--jobs %) $(ARGS)

# SECONDS of the clock for each decoder.
fuzz: build
	@$(RUN) node packages/lab/dist/fuzz/main.js --seconds $(SECONDS) $(ARGS)

sim-mutants: build
	@$(RUN) node packages/lab/dist/campaign/mutate.js $(JOBS:%=--jobs %) $(ARGS)

test: build
	@$(RUN) tap run "test/dist/**/*.test.js"

# First what it would refuse after a long build.
test-freebsd-here:
	@$(RUN) sh packaging/freebsd/test.sh check

test-freebsd: test-freebsd-here build
	@$(RUN) sh packaging/freebsd/test.sh

test-freebsd-kit: build
	@$(RUN) sh packaging/freebsd/kit.sh '$(OS)' '$(CPU)'

# What is installed: the lab and the tests are not.
programs: $(INSTALLED)
	@$(RUN) tsc -b packages/ctl packages/helper

install: programs
	@tree=$$($(RUN) node packaging/tree.mjs '$(OS)' '$(CPU)') && \
		DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' sh "$$tree/install.sh"

deinstall:
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' sh packaging/install.sh -u

dist: programs
	@$(RUN) node packaging/pack.mjs tar '$(OS)' '$(CPU)'

deb: programs
	@$(RUN) node packaging/pack.mjs deb '$(CPU)'

pkg: programs
	@$(RUN) node packaging/pack.mjs pkg '$(CPU)'

release: programs
	@$(RUN) node packaging/pack.mjs release

check: build
	@$(RUN) oxlint --deny-warnings
	@$(RUN) prettier --check --log-level warn .

format: $(INSTALLED)
	@$(RUN) prettier --write --log-level warn .

clean:
	rm -rf packages/*/dist packages/*/*.tsbuildinfo test/dist dist stage

.PHONY: bench build lab lab-kernel sim sim-system fuzz sim-mutants test test-freebsd test-freebsd-here test-freebsd-kit programs install deinstall dist deb pkg release check format clean
