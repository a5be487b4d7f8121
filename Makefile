.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
GO ?= go
# Tests wait more than they compute, so more of them run at a time than there are cores; the race detector leaves less room.
# The longest packages begin first, and all are compiled before any runs: next to a compiler timeouts would be missed.
SIDE_BY_SIDE = -p 3 -parallel 6
SIDE_BY_SIDE_RACED = -p 2 -parallel 4
COMPILE = $(GO) list -test -export
SLOW = ./test/e2e ./test/sim ./test/cli ./coord/zk ./coord/etcd ./test/cluster
LINT = $(GO) tool -modfile=tools/go.mod golangci-lint

.PHONY: help
help: ## Shows this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## Makes sure that the tests can start what they need: ZooKeeper, and Redis and Python for the examples
	@tools/deps.sh

.PHONY: test
test: deps ## Proves the promise on one machine: every package, real ZooKeeper and etcd, real processes (minutes)
	$(GO) build -o bin/xconsumer ./cmd/xconsumer
	$(COMPILE) ./... >/dev/null
	XCONSUMER_BIN=$(CURDIR)/bin/xconsumer tools/test.sh test -short $(SIDE_BY_SIDE) $(SLOW) ./...

.PHONY: verify
verify: export XCONSUMER_TEST_RACE = required
verify: deps cross ## Everything: both services, the race detector, the browser, upgrades, a thousand simulated histories, examples
	$(GO) vet ./...
	$(GO) build -o bin/xconsumer ./cmd/xconsumer
	$(COMPILE) -race ./... >/dev/null
	XCONSUMER_BIN=$(CURDIR)/bin/xconsumer tools/test.sh verify -race -timeout 30m $(SIDE_BY_SIDE_RACED) $(SLOW) ./...
	tools/test.sh simulator -timeout 20m ./test/sim
	cd examples && $(GO) vet ./... && ../tools/test.sh examples -count=1 ./...
	cd bench && $(GO) vet ./...
	cd deploy/check && $(GO) vet ./... && ../../tools/test.sh deploy ./...
	cd tools && $(GO) test ./pictures
	cd tools/goreleaser && $(GO) test ./...
	@if command -v node >/dev/null; then tools/site/build.sh bin/site / next; else echo "no Node: the site is not built"; fi

.PHONY: cross
cross: ## Compiles for the systems on which the tests do not run
	GOOS=darwin $(GO) build -o /dev/null ./...
	GOOS=windows $(GO) build -o /dev/null ./...

.PHONY: short
short: ## Runs the tests that need no server (seconds)
	$(GO) test -race . ./app/... ./client ./cluster ./coord/mem ./httpapi/... ./internal/... ./test/cluster ./xconsumertest

.PHONY: examples
examples: deps ## Runs the examples: real processes, Redis, Python and SQL
	cd examples && $(GO) test -count=1 -v ./...

.PHONY: explore
explore: ## Walks through the orders of events in small worlds (WORLDS of them each, default 3,000,000)
	EXPLORE=$(or $(WORLDS),3000000) $(GO) test -v -timeout 2h -run TestEveryOrder ./test/explore

.PHONY: sim
sim: ## Simulates SEEDS histories of each mode (default 20,000: an hour or two), from seed FROM
	$(GO) test -c -o bin/sim.test ./test/sim
	printf '%s\n' Safety Liveness Calm | xargs -P $$(nproc) -I{} \
	  bin/sim.test -test.timeout 12h -test.run 'Test{}$$' -seeds $(or $(SEEDS),20000) -from $(or $(FROM),0)

.PHONY: soak
soak: deps ## Mixes all faults with real processes and servers, for SOAK (default 1h), and prints a report
	$(GO) test -timeout 48h -run 'TestSoak$$' ./test/e2e -soak $(or $(SOAK),1h) -v | grep --line-buffered -v -e '^=== ' -e 'soak_test.go:[0-9]*: [a-z ]* (n[0-9])$$'

.PHONY: mutants
mutants: deps ## Takes the guards of the protocol out, one by one, and wants a test to go red for each (minutes)
	$(GO) test -timeout 40m -v -run 'TestMutants$$' ./test/mutants -open

.PHONY: lint
lint: ## Runs the linters, and checks the console's types where Node is there (the first run builds them: minutes)
	$(LINT) run ./...
	@if command -v node >/dev/null; then tools/console/check.sh && echo "the console's types fit"; else echo "no Node: the console's types are not checked"; fi

.PHONY: vuln
vuln: ## Looks for known vulnerabilities in what is built; says so where the database is not reached (VULN=required fails then)
	@tools/vuln.sh

.PHONY: release-check
release-check: ## Builds what a release has from the last commit, and tries each part on a clean root (minutes; VERSION= names it, RELEASE=required fails for what cannot be tried)
	@tools/release-check.sh

.PHONY: site
site: ## Builds the site of the documents into bin/site and checks its links; needs Node; BASE=/path/ where it shares a host
	tools/site/build.sh bin/site $(or $(BASE),/)

.PHONY: docker-test
docker-test: ## Builds the image and runs docker-compose.yml on a real engine, as root (minutes)
	test/docker/run.sh

.PHONY: fmt
fmt: ## Formats the code
	gofmt -w .

.PHONY: fuzz
fuzz: ## Fuzzes the record parsers and app.toml for a minute each
	$(GO) test -run XXX -fuzz FuzzDecode -fuzztime 1m ./internal/schema
	$(GO) test -run XXX -fuzz FuzzConfig -fuzztime 1m ./app

.PHONY: bench
bench: deps ## Measures how long work waits when a node leaves or dies, and how long dev takes to begin
	cd bench && $(GO) test -run XXX -bench . -benchtime 1x ./failover

.PHONY: bench-scale
bench-scale: deps ## Measures whole fleets (minutes); SYSTEM= STORE= NODES= SLOTS= CHANGE= SERVERS= SYNC= LIMIT= narrow or widen it, JSON=FILE writes lines, PROFILE=DIR where the time goes
	cd bench && $(GO) test ./scale -run XXX -bench Scale -benchtime 1x -timeout 4h -args $(if $(JSON),-json $(abspath $(JSON))) $(if $(SYSTEM),-system $(SYSTEM)) \
	  $(if $(STORE),-store $(STORE)) $(if $(NODES),-nodes $(NODES)) $(if $(SLOTS),-slots $(SLOTS)) $(if $(CHANGE),-change $(CHANGE)) $(if $(SERVERS),-servers $(SERVERS)) $(if $(SYNC),-sync $(SYNC)) $(if $(LIMIT),-limit $(LIMIT)) $(if $(PROFILE),-profile $(abspath $(PROFILE))) \
	  | grep --line-buffered -e '^|' -e 'not measured' -e '_test.go' -e '^FAIL'

.PHONY: bench-planner
bench-planner: ## Compares planners in one run (minutes); PEERS=a,b narrows, JSON=FILE writes lines, DOC=1 docs/internals/benchmarks.md
	cd bench && $(GO) run ./planner $(if $(PEERS),-peers $(PEERS)) $(if $(JSON),-json $(abspath $(JSON))) $(if $(DOC),-doc ../docs/internals/benchmarks.md)

.PHONY: pictures
pictures: deps ## Draws the diagrams of the documents, and takes their pictures of the console on a cluster that runs (minutes)
	cd tools && $(GO) run ./pictures ../docs/images
	UPDATE=1 $(GO) test -count=1 -run 'TestPictures$$' ./test/console

.PHONY: build
build: ## Builds bin/xconsumer
	$(GO) build -o bin/xconsumer ./cmd/xconsumer
