# make run    set up, make a synthetic slide, detect on it, say where the report lies
# make test   set up and pass the tests
# make setup-mpi  install Open MPI and MPICH, so that the tests of training on several processes run
# make setup-botocore  install Debian's botocore, against whose description of Amazon's APIs requests are checked
# make setup-clients  install Python, Node.js and curl, so that the examples of docs/clients.md are run
# make setup-promtool  install Prometheus, whose promtool tests the alerts of deploy/
# make setup-proxies  install nginx and HAProxy, with which the examples of deploy/ are tested
# make setup-chromium  install Chromium, in which the tests of the web page run
# make check  what a change must pass before it is shared: test, vet, staticcheck, race, no-cgo, fuzz, govulncheck
# make build  leave bin/bcc
# make image  leave a container image in out/image, without Docker (VARIANT=cuda: with ONNX Runtime's CUDA provider)
# make models remake the bundles under models/; bcc-demo is trained (half an hour)
# make e2e    drive the built program on the largest, on broken and on interrupted slides (20 minutes)
# make e2e-page  drive the web page in Chromium (a minute)
# make page-shots  photograph the page anew for the documents
# make e2e-s3 the store's tests against a real S3 server on this machine (builds versity gateway into .deps/)
# make e2e-hostile attack bcc serve with broken slides, slow and lying clients, foreign keys (two minutes)
# make e2e-fleet  a fleet whose queue, store, workers, records and orders are not as they should be (a minute)
# make e2e-metrics  every question of the dashboards asked of a real Prometheus over a busy fleet (a minute; make setup-promtool)
# make e2e-autoscale  waves of slides, and autoscalers that are killed: workers of this machine come and go, nothing is lost (two minutes)
# make e2e-memory  the largest slides, and a worker that leaks, in control groups of little memory (two minutes, root)
# make e2e-acme  certificates of bcc serve from a real ACME issuer on this machine (builds Pebble into .deps/)
# make chaos  200 slides on a fleet of the built program whose plugs are pulled, by a seed (10 minutes); make e2e-chaos: 24 slides
# make e2e-proxies  deploy/nginx and deploy/haproxy in front of several bcc serve (a minute; make setup-proxies)
# make setup-peers  install what bench-peers compares with: PyTorch, Flask, OpenSlide, libvips, nginx, HAProxy (1 GB)
# make bench-peers  side by side with what others would use, in one run (15 minutes; make setup-peers)
# make e2e-balance  bcc balance in front of three servers: one slow, one killed, all restarted (three minutes)
# make e2e-upgrade  this build and the one before it on each other's queues and stores, one after the other and side by side (two minutes)
# make e2e-kube  the kube target and its manifests against a real API server on this machine (builds it once: 20 minutes, 4 GB of Go's cache)
# make e2e-image  the image built twice from two clones, then bcc in it as a container runs it, without Docker (three minutes, root)
# make e2e-fresh  the README's two commands on a bare Debian in a folder, then without a network (half an hour, root, debootstrap)
# make e2e-clients  drive bcc serve with curl and with npm's readers of its description (node)
# make powertest  pull the plug at many more moments, and take each sync out of the source to see that a test fails (5 minutes, root)
# make simulate  all autoscaling policies on the traces beside the checkout and on invented laboratories' days: one table (a minute)
# make oracle compare pixels with OpenSlide and libvips (needs openslide-tools, libvips-tools), gradients with PyTorch (python3-torch)
.DEFAULT_GOAL := help
.PHONY: setup-clients e2e-upgrade e2e-balance bench-peers e2e-proxies setup-proxies simulate help setup setup-mpi setup-chromium setup-promtool setup-botocore e2e-metrics e2e-page page-shots build run test check vet staticcheck race nocgo fuzz vuln models e2e e2e-s3 e2e-acme oracle clean powertest chaos e2e-chaos e2e-clients e2e-kube e2e-hostile e2e-fleet e2e-memory e2e-autoscale e2e-fresh image e2e-image

FUZZTIME ?= 10s
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

help:
	@sed -n 's/^# make/make/p' Makefile

setup:
	@bash scripts/setup.sh

setup-mpi:
	@bash scripts/setup-mpi.sh

setup-clients:
	@bash scripts/setup-clients.sh

setup-promtool:
	@bash scripts/setup-promtool.sh

setup-proxies:
	@bash scripts/setup-proxies.sh

setup-peers:
	@bash scripts/setup-peers.sh

setup-botocore:
	@bash scripts/setup-botocore.sh

setup-chromium:
	@bash scripts/setup-chromium.sh

build: setup
	@mkdir -p bin
	go build -trimpath -ldflags "-s -w" -o bin/bcc .

run: build
	@bash scripts/demo.sh

test: setup
	go test ./...

check: test vet staticcheck race nocgo fuzz vuln

vet: setup
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt: run gofmt -w on these"; exit 1; }
	go vet ./...

staticcheck: setup
	go run $(STATICCHECK) ./...

race: setup
	go test -race -short ./...

# Everything above native/ stands without any shared library.
nocgo:
	CGO_ENABLED=0 go test -short $$(CGO_ENABLED=0 go list ./... | grep -v '/native/')

fuzz: setup
	@FUZZTIME=$(FUZZTIME) bash scripts/fuzz.sh

# govulncheck asks vuln.go.dev; without that network the check says so and is skipped.
vuln: setup
	@bash scripts/vuln.sh $(GOVULNCHECK)

VARIANT ?= cpu

image: setup
	go run ./deploy/image --variant $(VARIANT)

models: build
	go run ./models/make
	bash scripts/train-demo.sh

e2e: build
	go test -tags e2e -v -timeout 60m ./e2e

e2e-page: build
	go test -tags e2e -v -timeout 10m -run '^TestPage' ./e2e

page-shots: build
	BCC_SHOTS=$(CURDIR)/docs/img go test -tags e2e -v -timeout 10m -run '^TestShots$$' ./e2e

e2e-s3:
	@bash scripts/e2e-s3.sh

e2e-acme: build
	@bash scripts/e2e-acme.sh

# Traces lie beside the checkout or where BCC_SHARED says.
TRACES := $(or $(BCC_SHARED),../shared)/traces

simulate: build
	@bin/bcc simulate --lab small,medium,large \
		--trace $(TRACES)/azure-llm-2023-code.csv --format azure-llm \
		--trace $(TRACES)/azure-functions-2021-200.csv --format azure-functions

oracle: setup
	go test -tags oracle ./slide/... ./grad/...

e2e-hostile: build
	go test -tags e2e -v -run '^TestHostile' ./e2e

e2e-fleet: build
	go test -tags e2e -v -run '^TestFleetBad' ./e2e

e2e-balance: build
	go test -tags e2e -count=1 -v -timeout 10m ./e2e/balance

e2e-upgrade: build
	@bash scripts/e2e-upgrade.sh

e2e-kube: build
	@bash scripts/e2e-kube.sh

e2e-image: setup
	go test -tags e2e -count=1 -v -timeout 30m ./e2e/image

e2e-fresh:
	@bash scripts/e2e-fresh.sh

e2e-metrics: build
	BCC_SLIDES=30000 go test -count 1 -v -timeout 10m -run TestTheNumberOfSeriesIsBounded ./worker ./server
	go test -tags e2e -v -timeout 5m -run '^TestMetrics' ./e2e

e2e-autoscale: build
	go test -tags e2e -count=1 -v -timeout 15m ./e2e/autoscale

e2e-memory: build
	go test -tags e2e -v -count 1 -timeout 10m -run '^TestMemory(OfAGigabyte|ThatLeaks)' ./e2e

e2e-proxies: build
	go test -tags e2e -count=1 -v -timeout 10m ./e2e/proxies

bench-peers: build
	@bash scripts/bench-peers.sh

e2e-clients: build
	@bash scripts/clients.sh

chaos: setup
	@bash scripts/chaos.sh TestChaos

e2e-chaos: setup
	@bash scripts/chaos.sh TestChaosShort

powertest: setup
	BCC_CUTS=60 go test -count 1 -timeout 20m -run 'Cut|Sync|DamagedQueue' ./queue ./cohort
	go test -tags mutate -v -timeout 20m -run EverySyncInTheCode ./disk/powertest

clean:
	rm -rf bin out
