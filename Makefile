# Few targets, each idempotent. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export CARGO_TARGET_DIR := $(shell . deploy/local/target.sh && printf %s "$$CARGO_TARGET_DIR")

.PHONY: help demo down test test-unit model storm rebalance snapshots fmt lint docs bench clean screenshots

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: ## start everything on this machine and publish real AI calls; run it again and nothing is added
	deploy/demo/run

down: ## stop what `make demo` started; the data stay
	deploy/local/services stop
	deploy/local/stack stop

test: ## all tests on the real engines, which are started and stopped on free ports
	tests/run

test-unit: ## only the tests that need no engine
	cargo test --workspace --lib --bins

model: ## many random runs of the protocol's rules, and each rule removed in turn: SEED=… RUNS=100000
	MODEL_SEED=$(SEED) MODEL_RUNS=$(or $(RUNS),100000) cargo test -p system-tests --test model -- --nocapture

storm: ## a long kill storm: SEED=… EVENTS=1000000 KILLS=500 SECONDS=900
	STORM_SEED=$(SEED) STORM_EVENTS=$(or $(EVENTS),1000000) STORM_KILLS=$(or $(KILLS),500) STORM_SECONDS=$(or $(SECONDS),900) \
	  tests/run -- -p system-tests --test storm -- --nocapture

rebalance: ## workers come and go every second under load, and no partition stands still for long: SECONDS=60
	REBALANCE_SECONDS=$(or $(SECONDS),60) tests/run -- -p ingest --test it rebalance -- --nocapture

snapshots: ## many filters at random snapshots while calls pour in, and late calls; 20 minutes: SEED=… FILTERS=500 RATE=5000 AGE_MS=1000
	SNAPSHOT_SEED=$(SEED) SNAPSHOT_FILTERS=$(or $(FILTERS),500) SNAPSHOT_RATE=$(or $(RATE),5000) \
	  SNAPSHOT_AGE_MS=$(or $(AGE_MS),1000) LATE_MS=$(or $(AGE_MS),1000) \
	  tests/run -- -p system-tests --test it -- --test-threads=1 late_call one_snapshot --nocapture

screenshots: ## the pictures of the README, from the pages of the running demo
	tests/pages/run screenshots

fmt: ## format the code
	cargo fmt --all

lint: ## what CI refuses: formatting, clippy, rustdoc
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps

docs: ## the code's documentation as pages in target/doc
	cargo doc --workspace --no-deps

bench: ## the measured claims; prints ratios against baselines of the same run
	benches/run

clean: down ## stop everything and delete what the demo stored
	deploy/local/services wipe
	deploy/local/stack wipe
