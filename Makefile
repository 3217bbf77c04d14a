# Works with GNU make and BSD make. Every target installs what it needs.
#
#   make lab          the main job on this machine: two routers, one session, a failover (ARGS=--json, RUNTIME=bun)
#   make test         the tests
#   make lab-kernel   the same on a real Linux kernel against a real Access Concentrator (root, Debian packages)
#   make check        types, lint, format, import rules

NPM = npm
NODE = node
RUNTIME = node
ARGS =

INSTALLED = node_modules/.package-lock.json

build: $(INSTALLED)
	@npx tsc -b

$(INSTALLED): package-lock.json
	@$(NPM) ci --no-audit --no-fund --loglevel=error
	@touch $(INSTALLED)

lab: build
	@RUNTIME=$(RUNTIME) $(NODE) packages/lab/dist/main.js $(ARGS)

lab-kernel: build
	@$(NODE) packages/lab/dist/kernel/main.js $(ARGS)

test: build
	@$(NPM) test --silent

check: build
	@npx oxlint --deny-warnings
	@npx prettier --check --log-level warn .

format: $(INSTALLED)
	@npx prettier --write --log-level warn .

clean:
	rm -rf packages/*/dist packages/*/*.tsbuildinfo test/dist stage

.PHONY: build lab lab-kernel test check format clean
