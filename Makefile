.DEFAULT_GOAL := help
SHELL := /bin/bash
GO ?= go
LINT = $(GO) tool -modfile=tools/go.mod golangci-lint

.PHONY: help
help: ## Shows this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## Makes sure that a real ZooKeeper can be started for the tests
	@tools/deps.sh

.PHONY: test
test: deps ## Runs every test, with the race detector and real ZooKeeper servers
	$(GO) vet ./...
	$(GO) test -race -timeout 20m ./...
	cd bench && $(GO) vet ./...

.PHONY: short
short: ## Runs the tests that need no server (seconds)
	$(GO) test -race . ./app ./cluster ./coord/mem ./httpapi ./internal/...

.PHONY: lint
lint: ## Runs the linters (the first run builds them: minutes)
	$(LINT) run ./...

.PHONY: fmt
fmt: ## Formats the code
	gofmt -w .

.PHONY: fuzz
fuzz: ## Fuzzes the record parsers and app.toml for a minute each
	$(GO) test -run XXX -fuzz FuzzDecode -fuzztime 1m ./internal/schema
	$(GO) test -run XXX -fuzz FuzzConfig -fuzztime 1m ./app

.PHONY: bench
bench: deps ## Measures the handoff beside the store operations that it cannot do without
	cd bench && $(GO) test -run XXX -bench . -benchtime 1x ./...

.PHONY: build
build: ## Builds bin/xconsumer
	$(GO) build -o bin/xconsumer ./cmd/xconsumer
