# What is done often. "make help" lists it.

GO          ?= go
STATICCHECK  = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 20s

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install by apt-get what tests and demonstration need (Debian 12, root)
	@scripts/setup.sh

.PHONY: build
build: ## build bin/pratique
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ ./cmd/pratique

.PHONY: run
run: setup ## show the main job on real input: Postfix, clamd and pratique, all private
	@CGO_ENABLED=0 $(GO) build -o .build/ ./cmd/pratique ./integration/demo # one build: they share most packages
	@.build/demo .build/pratique

.PHONY: test
test: setup lint ## lint, then all tests with -race; a real program that is missing is a failure
	CGO_ENABLED=0 $(GO) build ./...
	PRATIQUE_REQUIRE_REAL=1 $(GO) test -race $$($(GO) list ./... | grep -v /integration)
	$(GO) test ./rates/baseline ./watch # synthetic traces, hostile messages: minutes with -race
	PRATIQUE_REQUIRE_REAL=1 $(GO) test -race -count=1 ./integration/...

.PHONY: lint
lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not gofmt'ed:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

.PHONY: fuzz
fuzz: ## run each fuzz target for a while (FUZZTIME=20s)
	@scripts/fuzz.sh $(FUZZTIME)

.PHONY: stack
stack: setup ## build and try the containers of configs/compose with Podman (some minutes)
	@scripts/setup.sh stack
	PRATIQUE_STACK=1 $(GO) test -count=1 -timeout 30m ./integration/compose

.PHONY: bench
bench: setup ## measure, side by side with peers
	$(GO) run ./integration/bench

.PHONY: clean
clean: ## remove what was built
	rm -rf bin .build
