# make demo does the main job against a simulator; make test runs every test; make help lists the rest.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --abbrev=12 --dirty 2>/dev/null || echo dev)
# Time of the files in a release: the last commit's, so that two builds of one commit are equal.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

# One set of build flags for build, vet and lint, so that they share what is compiled.
PURE = CGO_ENABLED=0 GOFLAGS='-trimpath -buildvcs=false'
LINT = $(PURE) $(GO) tool -modfile=tools.mod golangci-lint

.DEFAULT_GOAL := build
.PHONY: build test demo thanos lint format vet golangci tidy fresh generate sparse bench bench-plugin torture bench-memory bench-start dist clean check-tools help

build: ## build bin/hyperexport
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o bin/ ./cmd/hyperexport

test: check-tools ## run every test with the race detector, and without it what takes too long with it
	CGO_ENABLED=1 $(GO) test -race -timeout 15m ./...
	$(PURE) $(GO) test -run 'TestStorage/s3|TestOCI|TestTransferSurvivesKills' ./pkg/plugin -kills 50
	$(PURE) $(GO) test -v -run 'TestEveryCallAndFault$$|TestEveryWorkThatFails$$|TestFleet$$' ./cmd/hyperexport | grep -v '^=== \|    --- PASS'

thanos: ## let the acceptance suite of Thanos judge the simulator; a module of its own, in internal/thanos
	cd internal/thanos && $(PURE) $(GO) vet ./... && $(PURE) $(GO) test -count 1 ./...

demo: ## export two instances, and take a folder to S3, on to OCI and back, all on this machine
	@scripts/need.sh go qemu-img
	@$(MAKE) --no-print-directory build
	@$(PURE) $(GO) run ./internal/demo -bin bin/hyperexport

lint: format vet golangci tidy fresh ## check form: what CI checks beside the tests

format:
	@files=$$(gofmt -l .); \
	if [ -n "$$files" ]; then echo "not formatted, run gofmt -w on:"; echo "$$files"; exit 1; fi

vet:
	@for os in linux darwin windows; do \
		echo "go vet for $$os"; GOOS=$$os $(PURE) $(GO) vet ./... || exit 1; done

golangci:
	$(LINT) run

tidy:
	$(GO) mod tidy -diff
	cd internal/thanos && $(GO) mod tidy -diff

fresh:
	@scripts/need.sh go git protoc
	scripts/fresh.sh

generate: ## write the generated files anew
	@scripts/need.sh go protoc
	$(GO) generate ./...

sparse: ## copy a file of 51 GiB that is almost all holes, in well under a minute and with almost no disk
	HYPEREXPORT_SPARSE=51G $(GO) test -count 1 -run 'TestScripts/sparse$$' ./cmd/hyperexport

bench: ## measure the transfer engine
	$(GO) test -run '^$$' -bench . -benchmem ./pkg/transfer/...

bench-plugin: ## measure the same backends in process and as plugins, and compare with what the boundary may cost
	@$(PURE) $(GO) run ./internal/benchplugin

torture: check-tools ## kill runs and plugins at random moments, KILLS of each (300), and check what becomes of it
	bash -o pipefail -c "$(GO) test -v -count 1 -timeout 0 -run TestKill ./internal/e2e -kills $(or $(KILLS),300) | grep -v '^=== \|--- PASS'"
	bash -o pipefail -c "$(GO) test -v -count 1 -timeout 0 ./internal/e2e/plugins -kills $(or $(KILLS),300) | grep -v '^=== \|    --- PASS'"

bench-memory: check-tools ## move 4 GiB with 64 MiB of buffers, both ways, and show the most memory that was used
	$(GO) test -v -count 1 -timeout 30m ./internal/e2e/memory -size 4096

bench-start: ## show how long hyperexport --help takes, the median of 20
	$(GO) test -run '^$$' -bench Start -benchtime 20x ./internal/e2e

dist: ## build the files of a release into dist/, the same bytes each time
	$(GO) run ./internal/dist -version '$(VERSION)' -time $(SOURCE_DATE_EPOCH) -out dist

check-tools: ## make sure that what the tests need is there: on Debian as root it is installed
	@scripts/need.sh go cc git qemu-img

clean: ## remove what was built
	rm -rf bin dist .demo coverage.out

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
