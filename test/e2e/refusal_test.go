package e2e

import (
	"strings"
	"testing"
)

func TestAPIServerAcceptsTheValidManifests(t *testing.T) {
	for _, o := range []object{validRun(), validModel(), validVersion()} {
		if out, err := applyDryRun(t, o); err != nil {
			t.Errorf("%v: %v\n%s", o["kind"], err, out)
		}
	}
}

func TestAPIServerRefuses(t *testing.T) {
	// spec returns a function that returns the object at a path below an object's spec.
	spec := func(path ...string) func(object) object {
		return func(o object) object { return at(o, append([]string{"spec"}, path...)...) }
	}
	hyper, template := spec("hyperparameters"), spec("template")
	tests := map[string]struct {
		valid   func() object
		corrupt func(object)
		want    string // a part of the message that tells a person what to do
	}{
		"a depth that does not exist": {
			validRun,
			func(o object) { spec()(o)["depths"] = []any{18, 42} },
			`supported values: "18"`,
		},
		"a depth named twice": {
			validRun,
			func(o object) { spec()(o)["depths"] = []any{18, 18} },
			"Duplicate value",
		},
		"no depth at all": {
			validRun,
			func(o object) { spec()(o)["depths"] = []any{} },
			"at least 1 items",
		},
		"a depth that is a word": {
			validRun,
			func(o object) { spec()(o)["depths"] = []any{"fifty"} },
			"must be of type integer",
		},
		"an override of a depth not in the run": {
			validRun,
			func(o object) { spec()(o)["overrides"] = []any{object{"depth": 101, "epochs": 3}} },
			"only depths that are listed in depths",
		},
		"two overrides of one depth": {
			validRun,
			func(o object) { spec()(o)["overrides"] = []any{object{"depth": 18}, object{"depth": 18}} },
			"Duplicate value",
		},
		"no dataset": {
			validRun,
			func(o object) { delete(spec()(o), "dataset") },
			"spec.dataset: Required value",
		},
		"a dataset without a uri": {
			validRun,
			func(o object) { spec()(o)["dataset"] = object{} },
			"spec.dataset.uri: Required value",
		},
		"a dataset on a bare path": {
			validRun,
			func(o object) { spec("dataset")(o)["uri"] = "/data/erasers" },
			"must be a file:/// location",
		},
		"a dataset on an unknown store": {
			validRun,
			func(o object) { spec("dataset")(o)["uri"] = "ftp://host/data" },
			"must be a file:/// location",
		},
		"a location that leaves its directory": {
			validRun,
			func(o object) { spec("checkpoint")(o)["uri"] = "file:///a/../../etc" },
			"must not contain ..",
		},
		"no checkpoint store": {
			validRun,
			func(o object) { delete(spec()(o), "checkpoint") },
			"spec.checkpoint: Required value",
		},
		"one resume checkpoint only": {
			validRun,
			func(o object) { spec("checkpoint")(o)["keepLast"] = 1 },
			"greater than or equal to 2",
		},
		"no image": {
			validRun,
			func(o object) { delete(template(o), "image") },
			"spec.template.image: Required value",
		},
		"a zero batch": {
			validRun,
			func(o object) { hyper(o)["batchSize"] = 0 },
			"greater than or equal to 2",
		},
		"zero epochs": {
			validRun,
			func(o object) { hyper(o)["epochs"] = 0 },
			"greater than or equal to 1",
		},
		"a tiny image": {
			validRun,
			func(o object) { hyper(o)["imageSize"] = 8 },
			"greater than or equal to 32",
		},
		"a learning rate that is no number": {
			validRun,
			func(o object) { hyper(o)["learningRate"] = "fast" },
			"should match",
		},
		"a learning rate that is not quoted": {
			validRun,
			func(o object) { hyper(o)["learningRate"] = 0.001 },
			"must be of type string",
		},
		"a learning rate of zero": {
			validRun,
			func(o object) { hyper(o)["learningRate"] = "0" },
			"must be above 0 (at least 1e-30) and at most 10",
		},
		"an epsilon that float32 rounds to 0": {
			validRun,
			func(o object) { hyper(o)["epsilon"] = "1e-60" },
			"must be between 1e-30 and 1000000",
		},
		"a norm that float32 cannot hold": {
			validRun,
			func(o object) { hyper(o)["clipNorm"] = "1e39" },
			"must be 0, which turns clipping off, or between",
		},
		"a learning rate below zero": {
			validRun,
			func(o object) { hyper(o)["learningRate"] = "-0.1" },
			"should match",
		},
		"a warm-up as long as the training": {
			validRun,
			func(o object) { hyper(o)["epochs"], hyper(o)["warmupEpochs"] = 3, 3 },
			"together must be below epochs",
		},
		"a phase that trains only the head, from random weights": {
			validRun,
			func(o object) { hyper(o)["headEpochs"] = 1 },
			"headEpochs needs pretrained",
		},
		"an optimizer that does not exist": {
			validRun,
			func(o object) { hyper(o)["optimizer"] = "adam" },
			`supported values: "adamw", "sgd"`,
		},
		"a preset that does not exist": {
			validRun,
			func(o object) { hyper(o)["preset"] = "best" },
			`supported values: "default", "paper"`,
		},
		"accumulated parts that do not divide the batch": {
			validRun,
			func(o object) { hyper(o)["batchSize"], hyper(o)["accumulate"] = 16, 3 },
			"accumulate must divide batchSize",
		},
		"accumulated parts of one sample": {
			validRun,
			func(o object) { hyper(o)["batchSize"], hyper(o)["accumulate"] = 16, 16 },
			"accumulate must divide batchSize",
		},
		"a momentum of one": {
			validRun,
			func(o object) { hyper(o)["momentum"] = "1" },
			"must be at most 0.9999",
		},
		"a shift of more than half the image": {
			validRun,
			func(o object) { at(hyper(o), "augment")["shift"] = "0.6" },
			"it is a share of the side",
		},
		"a flip, which would mirror the logo": {
			validRun,
			func(o object) { at(hyper(o), "augment")["flip"] = "0.5" },
			"unknown field",
		},
		"one file of pretrained weights for two depths": {
			validRun,
			func(o object) { spec("pretrained")(o)["uri"] = "file:///w/resnet50.safetensors" },
			"pretrained.uri must contain {depth}",
		},
		"colours without the mapped input adaptation": {
			validRun,
			func(o object) {
				p := spec("pretrained")(o)
				p["uri"] = "file:///w/{depth}.safetensors"
				p["colours"] = []any{object{"channel": "AM", "colour": "R"}}
			},
			"colours and inputAdaptation mapped need each other",
		},
		"a colour that pretrained weights do not have": {
			validRun,
			func(o object) {
				p := spec("pretrained")(o)
				p["uri"], p["inputAdaptation"] = "file:///w/{depth}.safetensors", "mapped"
				p["colours"] = []any{object{"channel": "AM", "colour": "UV"}}
			},
			`supported values: "R", "G", "B", "mean"`,
		},
		"a patience of zero": {
			validRun,
			func(o object) { spec("earlyStopping")(o)["patience"] = 0 },
			"greater than or equal to 1",
		},
		"two settings that weigh the loss": {
			validRun,
			func(o object) {
				spec("imbalance")(o)["lossWeight"], spec("imbalance")(o)["effectiveNumber"] = "1", "0.99"
			},
			"both weigh the loss",
		},
		"a setting that does not exist": {
			validRun,
			func(o object) { hyper(o)["learningrate"] = "0.1" },
			"unknown field",
		},
		"an exponent above one": {
			validRun,
			func(o object) { spec("imbalance")(o)["samplerWeight"] = "1.5" },
			"it is an exponent",
		},
		"a split that leaves nothing to train": {
			validRun,
			func(o object) { spec("dataset")(o)["split"] = object{"test": "0.5", "validation": "0.45"} },
			"leave more than a tenth",
		},
		"a split without validation": {
			validRun,
			func(o object) { spec("dataset")(o)["split"] = object{"validation": "0"} },
			"must be above 0 and below 1",
		},
		"a split by a group that does not exist": {
			validRun,
			func(o object) { spec("dataset")(o)["split"] = object{"groupBy": "colour"} },
			`supported values: "package", "none"`,
		},
		"a metric that does not exist": {
			validRun,
			func(o object) { spec("objective")(o)["metric"] = "accuracy" },
			`supported values: "AUCPR"`,
		},
		"a tie margin above one": {
			validRun,
			func(o object) { spec("objective")(o)["tieMargin"] = "2" },
			"must be between 0 and 1",
		},
		"no parallelism": {
			validRun,
			func(o object) { spec()(o)["parallelism"] = 0 },
			"greater than or equal to 1",
		},
		"a name of 41 characters": {
			validRun,
			func(o object) { at(o, "metadata")["name"] = strings.Repeat("a", 41) },
			"at most 40 characters without dots",
		},
		"a name with a dot": {
			validRun,
			func(o object) { at(o, "metadata")["name"] = "a.b" },
			"at most 40 characters without dots",
		},
		"a volume of the node": {
			validRun,
			func(o object) { template(o)["volumes"] = []any{object{"name": "h", "hostPath": object{"path": "/"}}} },
			"unknown field",
		},
		"a volume without a source": {
			validRun,
			func(o object) { template(o)["volumes"] = []any{object{"name": "h"}} },
			"give exactly one of persistentVolumeClaim",
		},
		"a mount of a volume that does not exist": {
			validRun,
			func(o object) { template(o)["volumeMounts"] = []any{object{"name": "h", "mountPath": "/h"}} },
			"must name one of the volumes",
		},
		"an environment variable that the operator sets": {
			validRun,
			func(o object) { template(o)["env"] = []any{object{"name": "PLUMBLINE_TRIAL", "value": "{}"}} },
			"are set by the operator",
		},
		"a label that the operator sets": {
			validRun,
			func(o object) { template(o)["labels"] = object{"plumbline.dev/run": "x"} },
			"are set by the operator",
		},
		"a trial to stop that the run does not have": {
			validRun,
			func(o object) { spec()(o)["stopTrials"] = []any{"d101"} },
			"only trials of depths that are listed",
		},
		"a trial to stop named twice": {
			validRun,
			func(o object) { spec()(o)["stopTrials"] = []any{"d18", "d18"} },
			"Duplicate value",
		},
		"a deadline of zero": {
			validRun,
			func(o object) { spec()(o)["activeDeadlineSeconds"] = 0 },
			"greater than or equal to 1",
		},
		"a time to live below zero": {
			validRun,
			func(o object) { spec()(o)["ttlSecondsAfterFinished"] = -1 },
			"greater than or equal to 0",
		},
		"more successes than trials": {
			validRun,
			func(o object) { spec("failurePolicy")(o)["minSucceededTrials"] = 3 },
			"higher than the number of depths",
		},
		"early stopping without a rule": {
			validRun,
			func(o object) { spec()(o)["earlyStopping"] = object{} },
			"needs patience or cohort",
		},
		"a cohort rule without a grace period": {
			validRun,
			func(o object) { spec("earlyStopping")(o)["cohort"] = object{"margin": "0.1"} },
			"graceEpochs: Required value",
		},
		"a cohort rule with a margin of zero": {
			validRun,
			func(o object) { spec("earlyStopping")(o)["cohort"] = object{"graceEpochs": 2, "margin": "0"} },
			"must be above 0 and at most 1",
		},
		"a run to resume from that is not a uid": {
			validRun,
			func(o object) { spec("checkpoint")(o)["resumeFrom"] = "erasers" },
			"should match",
		},
		"a model without a registry": {
			validModel,
			func(o object) { delete(spec()(o), "registry") },
			"spec.registry: Required value",
		},
		"a model's name with a dot": {
			validModel,
			func(o object) { at(o, "metadata")["name"] = "a.b" },
			"at most 40 characters without dots",
		},
		"a version whose name has another number": {
			validVersion,
			func(o object) { at(o, "metadata")["name"] = "refused-v2" },
			"must be <spec.model>-v<spec.version>",
		},
		"a version with a padded number": {
			validVersion,
			func(o object) { at(o, "metadata")["name"] = "refused-v01" },
			"must be <spec.model>-v<spec.version>",
		},
		"a version numbered zero": {
			validVersion,
			func(o object) {
				spec()(o)["version"] = 0
				at(o, "metadata")["name"] = "refused-v0"
			},
			"greater than or equal to 1",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := test.valid()
			test.corrupt(o)
			out, err := applyDryRun(t, o)
			if err == nil {
				t.Fatalf("the API server accepted the manifest")
			}
			if !strings.Contains(out, test.want) {
				t.Errorf("want a message with the part %q, got\n%s", test.want, out)
			}
		})
	}
}
