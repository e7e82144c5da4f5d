# XenBlocks Platform: `make` lists what there is.
# ARGS goes to the program: make run ARGS="--api-port 8081"

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run demo block-buster test crash fault fuzz model overload bench reference web-budget accessibility cuda cuda-bench deny sbom clean tools test-tools test-browser web-tools release

CARGO ?= cargo
ARGS ?=
# For tests that ask nothing of the disk but wait for it.
IN_MEMORY := TMPDIR=$(firstword $(wildcard /dev/shm) /tmp)
PROGRAM := $(or $(CARGO_TARGET_DIR),target)/release/xenblocks

help: ## this list
	@printf 'XenBlocks Platform\n\n'
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name about; do printf '  make %-12s %s\n' "$$name" "$$about"; done

run: release ## a whole marketplace on this machine: ports 1883 and 8080, Ctrl-C stops it
	@XENBLOCKS_LOG="$${XENBLOCKS_LOG:-info,xenblocks::worker=warn}" exec $(PROGRAM) play $(ARGS)

demo: release ## one rental from start to settlement, checked: free ports, a temporary database
	@exec $(PROGRAM) demo $(ARGS)

block-buster: release ## the gateway to a The Block node, with a node played beside it: port 5000
	@exec $(PROGRAM) block-buster --demo-node $(ARGS)

test: test-tools test-browser ## format, lints and every test, as the checks before a merge run them
	$(CARGO) fmt --check
	cuda/build.sh --if-possible
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) test --locked
	$(IN_MEMORY) XENBLOCKS_STORIES=1000 XENBLOCKS_STORY_STEPS=200 \
		$(CARGO) test --locked --lib -- market_and_model_agree

crash: tools ## kill -9 under load, N times (1000), each followed by the audit
	XENBLOCKS_CRASH_ROUNDS=$(or $(N),1000) $(CARGO) test --locked --test crash -- --nocapture kill_9

fault: tools ## a full disk, a disk with errors, flushes that fail; needs libfiu (Debian: fiu-utils)
	@command -v fiu-run >/dev/null || { echo "libfiu is missing: install it (Debian and Ubuntu: apt-get install fiu-utils)." >&2; exit 1; }
	$(CARGO) test --locked --test crash -- --nocapture faults::

fuzz: tools ## a fuzzer at every door, T seconds (60) each; needs cargo-fuzz and a nightly compiler
	@command -v cargo-fuzz >/dev/null && $(CARGO) +nightly --version >/dev/null 2>&1 || { echo "cargo-fuzz or a nightly compiler is missing: cargo install --locked cargo-fuzz; rustup toolchain install nightly" >&2; exit 1; }
	@tests/fuzz/run.sh $(or $(T),60)

model: tools ## N random stories (10000) of 200 steps on the market and on a naive model of it
	$(IN_MEMORY) XENBLOCKS_STORIES=$(or $(N),10000) XENBLOCKS_STORY_STEPS=200 \
		$(CARGO) test --release --locked --lib -- --nocapture market_and_model_agree

bench: tools ## the benchmarks (minutes; quiet machine)
	$(CARGO) bench --locked

overload: tools ## what attackers do to everybody else's answers (4 minutes; quiet machine)
	$(CARGO) bench --locked --bench overload

reference: release ## our hashing against the reference C library's, built here with -march=native
	benches/reference.sh

cuda: tools ## the kernels for NVIDIA's GPUs, and the program with them (fetches a compiler if need be)
	cuda/build.sh
	$(CARGO) build --release --locked --bin xenblocks

web-budget: release web-tools ## what the web app costs a browser: bytes, requests, frames, main thread, Lighthouse
	@python3 benches/web_budget.py $(PROGRAM)

accessibility: tools test-browser web-tools ## every page by our own checks and axe-core's, in a browser
	$(CARGO) test --locked --test browser -- --nocapture accessibility::

cuda-bench: cuda ## a million hashes of the GPUs against the CPU, then their speed as a table (needs a GPU)
	$(PROGRAM) bench --backend cuda --verify 1000000 $(ARGS)
	$(PROGRAM) bench --backend cuda $(ARGS)

deny: tools ## licences, sources and advisories of everything that is built in; needs cargo-deny
	@command -v cargo-deny >/dev/null || { echo "cargo-deny is missing: cargo install cargo-deny --locked" >&2; exit 1; }
	$(CARGO) deny --locked check licenses bans sources
	$(CARGO) deny --locked check advisories

sbom: tools ## the bill of materials, CycloneDX as JSON: xenblocks.cdx.json; needs cargo-cyclonedx
	@command -v cargo-cyclonedx >/dev/null || { echo "cargo-cyclonedx is missing: cargo install cargo-cyclonedx --locked" >&2; exit 1; }
	$(CARGO) cyclonedx --format json --override-filename xenblocks.cdx

clean: ## remove what was built; databases stay
	$(CARGO) clean

release: tools
	@[ -e $(PROGRAM) ] || echo "Building the program: some minutes the first time."
	@$(CARGO) build --release --locked --bin xenblocks

tools:
	@command -v $(CARGO) >/dev/null || { echo "Rust is missing: install it from https://rustup.rs, then open a new shell." >&2; exit 1; }
	@command -v "$${CC:-cc}" >/dev/null || { echo "A C compiler is missing: install one (Debian and Ubuntu: apt-get install gcc; macOS: xcode-select --install)." >&2; exit 1; }

test-tools: tools
	@$(CARGO) fmt --version >/dev/null 2>&1 && $(CARGO) clippy --version >/dev/null 2>&1 || { echo "rustfmt or clippy is missing: rustup component add rustfmt clippy" >&2; exit 1; }

# Lighthouse and axe-core look at pages where npm is at hand; nothing of theirs is in the repository.
web-tools:
	@[ -d target/web-tools/node_modules/axe-core ] || ! command -v npm >/dev/null || npm install --silent --no-fund --no-audit --no-save --prefix target/web-tools lighthouse@12 axe-core@4 || echo "npm could not fetch Lighthouse and axe-core: they are skipped." >&2

test-browser:
	@command -v chromium chromium-browser google-chrome google-chrome-stable >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "Installing Chromium for the tests of the pages." && apt-get install -qq -y chromium >/dev/null; } || echo "Chromium is missing: the tests of the pages are skipped (Debian and Ubuntu: apt-get install chromium)." >&2
