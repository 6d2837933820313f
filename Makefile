# rmmwatch: every target is a line of `make help`.
GO ?= go
FUZZTIME ?= 5m
SOAKTIME ?= 1h
BENCHDIR ?= $(CURDIR)/.bench
export CGO_ENABLED ?= 0

.PHONY: help build demo test check race fuzz bench soak golden
help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

build: ## build ./rmmwatch, static
	$(GO) build -trimpath -o rmmwatch ./cmd/rmmwatch

demo: build ## replay bundled captures: hosts, tools, alerts
	./rmmwatch replay --quiet --format table $(DEMO)

test: ## run every test
	$(GO) test ./...

check: ## gofmt, vet, staticcheck, import directions, rules
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -count=1 -run TestHouse ./sensor
	$(GO) run ./cmd/rmmwatch rules check --strict

race: ## run every test under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race ./...

fuzz: ## fuzz every target for FUZZTIME (5m)
	@for p in $$($(GO) list ./...); do for t in $$($(GO) test -list '^Fuzz' $$p | grep ^Fuzz); do \
	  echo "$$p $$t"; $(GO) test -run '^$$' -fuzz "^$$t$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p || exit 1; done; done

bench: ## micro-benchmarks, then a replay of a generated mix beside cat and gopacket
	$(GO) test -run '^$$' -bench . -benchmem ./sensor/...
	@mkdir -p $(BENCHDIR)
	test -s $(BENCHDIR)/mix.pcap || $(GO) run ./pcaps/gen mix -o $(BENCHDIR)/mix.pcap -size 1.4GB
	$(GO) build -trimpath -o $(BENCHDIR)/rmmwatch ./cmd/rmmwatch
	$(GO) run ./sensor/replaybench -rmmwatch $(BENCHDIR)/rmmwatch $(BENCHDIR)/mix.pcap

soak: build ## the live sensor for SOAKTIME (1h) among failures: leaks, lost alerts, lost packets (root)
	@mkdir -p $(BENCHDIR)
	$(GO) build -o $(BENCHDIR)/soak ./sensor/soak
	$(BENCHDIR)/soak -time $(SOAKTIME)

golden: ## write the golden alerts of pcaps/ anew; look at the difference before you commit
	$(GO) test ./sensor -run TestGolden -update
	$(GO) test ./sensor/alert/format -update

DEMO = $(addprefix pcaps/, anydesk-synthetic.pcap screenconnect-synthetic.pcap netsupport-synthetic.pcap cloudflared-synthetic.pcap \
  meshcentral-clear.pcap rdp.pcap vnc.pcap wireguard.pcap chromium-quic.pcap many-tools-synthetic.pcap http-tools-synthetic.pcap \
  lookalike-domains-synthetic.pcap benign-synthetic.pcap)
