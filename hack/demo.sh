#!/usr/bin/env bash
# Runs the whole walk for a person to watch, with the real programs: `make demo`. The state stays in demo/ for you to
# look at.
#
#   DEMO     directory of the state; default demo/
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/bin
demo=${DEMO:-$PWD/demo}
state=$demo/cluster
cluster() { "$bin/localcluster" --dir "$state" "$@"; }
kubectl() { cluster kubectl "$@"; }
say() { printf '\n\033[1m==> %s\033[0m\n' "$*"; }
show() { printf '\033[2m$ %s\033[0m\n' "$*"; }

begin=$SECONDS
if [ -e "$demo" ]; then
	if [ -e "$state/cluster.json" ]; then
		say "Ending the demo that ran before"
		cluster down
	elif [ "$demo" != "$PWD/demo" ]; then
		echo "$demo exists and holds no demo: remove it yourself, or set DEMO to another directory" >&2
		exit 1
	fi
	rm -rf "$demo"
fi

say "A Kubernetes control plane, a NATS server and a node with five simulated GPUs, all on this machine"
mkdir -p "$demo"
GPUS=5 CPUS=8 hack/up.sh "$bin" "$state"
export KUBECONFIG=$state/kubeconfig

say "480 synthetic samples of erasers, six channels each; three in ten have a defective logo"
data=$state/volumes/data/erasers
set -- dataset synth --out "$data" --samples 480 --prevalence 0.30 --min-severity 0.7 --label-noise 0 --seed 7
show "plumb $*"
"$bin/plumb" "$@"

say "Five ResNet depths in parallel, in a namespace that enforces restricted Pod Security"
show "kubectl apply -f config/samples/demo/"
kubectl apply -f config/samples/namespace.yaml -f config/samples/volumes.yaml >/dev/null
kubectl apply -f config/samples/demo/
show "plumb watch erasers -n inspection"
training=$SECONDS
"$bin/plumb" watch erasers -n inspection --wait
training=$((SECONDS - training))

say "Promoting the best checkpoint: verify digests, export, repeat the recorded predictions, publish"
show "plumb promote erasers -n inspection --model erasers"
"$bin/plumb" promote erasers -n inspection --model erasers --reason "make demo"

say "Predictions of the published model for the test split, which served neither training nor selection"
published=$state/volumes/models/erasers/1
show "plumbline-trainer predict --model $published --data $data --split test"
"$bin/plumbline-trainer" predict --model "$published" --data "$data" --split test -o csv > "$demo/predictions.csv"
table() { if command -v column >/dev/null; then column -s, -t; else cat; fi; }
sed -n 1,9p "$demo/predictions.csv" | cut -d, -f1-7 | table # without the model's digest
echo "… all $(($(wc -l < "$demo/predictions.csv") - 1)) are in $demo/predictions.csv"

say "The five depths beside the chance level (CHANCE: the share of defects), and why the best was chosen"
show "plumb best erasers -n inspection"
"$bin/plumb" best erasers -n inspection

say "Done in $((SECONDS - begin)) s, of which training took $training s"
cat <<END
  published model    $published (TensorFlow Serving loads $state/volumes/models/erasers)
  checkpoints        $state/volumes/checkpoints
  sample images      $data/contact-sheet.png

Look around:
  export KUBECONFIG=$state/kubeconfig PATH=$bin:\$PATH
  plumb list -A                    plumb best erasers -n inspection
  localcluster --dir $state kubectl describe trun erasers -n inspection
  localcluster --dir $state kubectl logs -n inspection -l plumbline.dev/trial=d50
  localcluster --dir $state down   # when you are done
END
