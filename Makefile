# The task runner: `make` lists the tasks.
.DEFAULT_GOAL := help
.PHONY: help node-ready lab-programs fuzz-programs build test fmt lint docs deny advisories generate purity static man deb package image chart openai lab bench fuzz cluster node play scale dashboard ci
CARGO ?= cargo
PYTHON ?= python3
STATIC_TARGET ?= x86_64-unknown-linux-gnu
STATIC_PROFILE ?= release
# A static program has no dynamic symbols, so the getrandom crate would not find libc's call and wait on /dev/random, which no
# early boot without a hardware source ever fills; the system call makes the kernel gather entropy itself.
# Functions that came out alike are one: half a megabyte less of an agent's memory.
# A program that may lie anywhere relocates itself: packed, that takes 15 KB of the file and of memory instead of 1.8 MB.
STATIC_FLAGS := -C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom" -C link-arg=-Wl,-z,pack-relative-relocs -C link-arg=-Wl,--icf=all
VENV := .cache/venv

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build both binaries in the dev profile
	$(CARGO) build --workspace --bins

test: ## pass all tests
	$(CARGO) test --workspace

fmt: ## format the source
	$(CARGO) fmt --all

lint: ## deny every warning of rustc and clippy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

docs: ## build the documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items

deny: ## licences, bans and sources of every dependency
	$(CARGO) deny check bans licenses sources

advisories: ## known vulnerabilities, where the database can be reached
	@if $(CARGO) deny fetch db >/dev/null 2>&1; then $(CARGO) deny check advisories; \
	else echo "advisories were not checked: their database cannot be reached from here"; fi

generate: ## write the CRDs and JSON Schemas anew from the types
	UPDATE=1 $(CARGO) test --workspace --bins --test loader generated

purity: ## show that each way out of the pure crates is caught
	tests/purity/run

static: ## static binaries; --target keeps +crt-static off the proc macros
	RUSTFLAGS='$(STATIC_FLAGS)' $(CARGO) build --profile $(STATIC_PROFILE) -p operator -p runtime --bins --target $(STATIC_TARGET)

man: ## write the manual pages to target/man
	$(CARGO) build --quiet --workspace --bins --examples
	target/debug/examples/man target/man
	target/debug/examples/man_worker target/man

deb: static man ## make the Debian package in target/deb
	packaging/deb target/$(STATIC_TARGET)/$(STATIC_PROFILE:dev=debug) target/man target/deb

package: deb ## check the package: units, lintian, install to purge (as root, on a copy of this system)
	packaging/check target/deb/shardplane_*.deb

image: static ## assemble the image as an OCI archive in target/image, without a container engine
	packaging/image/assemble target/$(STATIC_TARGET)/$(STATIC_PROFILE:dev=debug) $$(sed -n 's/^appVersion: //p' charts/shardplane/Chart.yaml) target/image/shardplane.oci.tar

chart: ## hold the chart, the image's layout and the alerts (wants Go; builds helm once)
	SHARDPLANE_REQUIRE_CLUSTER=1 $(CARGO) test -p tests --test chart

openai: $(VENV)/installed ## drive the server with an unmodified OpenAI client
	PYTHON=$(VENV)/bin/python tests/serving/run

$(VENV)/installed: tests/serving/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/serving/requirements.txt
	touch $@

lab: lab-programs ## boot virtual machines and hold shardplane on a real kernel against a rack
	tests/lab/install
	$(CARGO) build --workspace --bins --lib
	target/debug/lab $(LAB)

# With the runtime, which the lab has no use for: the package, the image and the node's pods are then of the same compiled
# code. Cargo turns on in a dependency what any package named here wants of it, and compiles all above it anew for each set.
lab-programs:
	RUSTFLAGS='$(STATIC_FLAGS)' $(CARGO) build --profile lab --bins -p operator -p runtime -p guest --target x86_64-unknown-linux-gnu

cluster: ## hold the kinds against real Kubernetes API servers (wants Go; builds them once, in some ten minutes)
	$(CARGO) build --bins -p operator
	SHARDPLANE_REQUIRE_CLUSTER=1 $(CARGO) test -p tests --test cluster

NODES ?= 1000

scale: ## measure NODES virtual nodes against a real API server, and print the table (wants Go, as cluster does)
	RUSTFLAGS='$(STATIC_FLAGS)' $(CARGO) build --release -p operator --bins --target $(STATIC_TARGET)
	$(CARGO) build --profile scale -p tests --bins
	install target/$(STATIC_TARGET)/release/shardplane target/scale/shardplane
	SHARDPLANE_REQUIRE_CLUSTER=1 $(CARGO) bench --profile scale -p tests --bench scale -- $(NODES)

node: node-ready ## run pods of ours on a real kubelet, in namespaces of their own (as root; wants Go)
	target/debug/node $(NODE)

play: node-ready ## a shell in a cluster with one real node and the quickstart (as root; wants Go)
	@target/debug/node --play

node-ready: $(VENV)/installed lab-programs
	tests/node/install
	$(CARGO) build --workspace --bins

PROMETHEUS ?= http://127.0.0.1:9090

dashboard: ## draw the dashboard of what PROMETHEUS knows to target/dashboard.png (wants Node, npm and chromium)
	mkdir -p target
	tests/dashboard/render $(PROMETHEUS) target/dashboard.png

bench: ## measure a probe of 32 SoCs; fails above its promised bounds
	$(CARGO) bench -p machine --bench probe

fuzz: fuzz-programs ## feed every parser of foreign bytes with anything, for a bounded time
	CARGO="$(CARGO)" fuzz/run

fuzz-programs:
	$(CARGO) fuzz build --fuzz-dir fuzz -s none

ci: ## what the gate runs
	.ci/run
