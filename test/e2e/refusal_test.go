package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// object is a manifest that a test may bend.
type object = map[string]any

// at returns the object below o at a path of keys, making what is missing.
func at(o object, path ...string) object {
	for _, key := range path {
		next, ok := o[key].(object)
		if !ok {
			next = object{}
			o[key] = next
		}
		o = next
	}
	return o
}

func validRun() object {
	return object{
		"apiVersion": "plumbline.dev/v1alpha1", "kind": "TrainingRun",
		"metadata": object{"name": "refused", "namespace": "default"},
		"spec": object{
			"depths":     []any{18, 50},
			"dataset":    object{"uri": "file:///data/erasers"},
			"checkpoint": object{"uri": "file:///checkpoints"},
			"template":   object{"image": "plumbline.dev/trainer:dev"},
		},
	}
}

func validModel() object {
	return object{
		"apiVersion": "plumbline.dev/v1alpha1", "kind": "Model",
		"metadata": object{"name": "refused", "namespace": "default"},
		"spec": object{
			"registry":   object{"uri": "file:///models"},
			"publishing": object{"image": "plumbline.dev/trainer:dev"},
		},
	}
}

func validVersion() object {
	return object{
		"apiVersion": "plumbline.dev/v1alpha1", "kind": "ModelVersion",
		"metadata": object{"name": "refused-v1", "namespace": "default"},
		"spec": object{
			"model": "refused", "version": 1, "run": object{"name": "r", "uid": "u"}, "trial": "d18", "depth": 18, "epoch": 1,
			"checkpoint": object{"uri": "file:///checkpoints/x", "digest": "sha256:0"},
			"metrics":    object{"aucPR": "0.9", "f1": "0.8", "precision": "0.8", "recall": "0.8", "threshold": "-0.1"},
		},
	}
}

func TestAPIServerAcceptsTheValidManifests(t *testing.T) {
	for _, o := range []object{validRun(), validModel(), validVersion()} {
		if out, err := applyDryRun(t, o); err != nil {
			t.Errorf("%v: %v\n%s", o["kind"], err, out)
		}
	}
}

func TestAPIServerRefuses(t *testing.T) {
	spec := func(path ...string) func(object) object {
		return func(o object) object { return at(o, append([]string{"spec"}, path...)...) }
	}
	hyper, template := spec("hyperparameters"), spec("template")
	tests := map[string]struct {
		of   func() object
		bend func(object)
		want string // a part of the message that tells a person what to do
	}{
		"a depth that does not exist":           {validRun, func(o object) { spec()(o)["depths"] = []any{18, 42} }, `supported values: "18"`},
		"a depth named twice":                   {validRun, func(o object) { spec()(o)["depths"] = []any{18, 18} }, "Duplicate value"},
		"no depth at all":                       {validRun, func(o object) { spec()(o)["depths"] = []any{} }, "at least 1 items"},
		"a depth that is a word":                {validRun, func(o object) { spec()(o)["depths"] = []any{"fifty"} }, "must be of type integer"},
		"an override of a depth not in the run": {validRun, func(o object) { spec()(o)["overrides"] = []any{object{"depth": 101, "epochs": 3}} }, "only depths that are listed in depths"},
		"two overrides of one depth":            {validRun, func(o object) { spec()(o)["overrides"] = []any{object{"depth": 18}, object{"depth": 18}} }, "Duplicate value"},
		"no dataset":                            {validRun, func(o object) { delete(spec()(o), "dataset") }, "spec.dataset: Required value"},
		"a dataset without a uri":               {validRun, func(o object) { spec()(o)["dataset"] = object{} }, "spec.dataset.uri: Required value"},
		"a dataset on a bare path":              {validRun, func(o object) { spec("dataset")(o)["uri"] = "/data/erasers" }, "must be a file:/// location"},
		"a dataset on an unknown store":         {validRun, func(o object) { spec("dataset")(o)["uri"] = "ftp://host/data" }, "must be a file:/// location"},
		"a location that climbs":                {validRun, func(o object) { spec("checkpoint")(o)["uri"] = "file:///a/../../etc" }, "must not contain .."},
		"no checkpoint store":                   {validRun, func(o object) { delete(spec()(o), "checkpoint") }, "spec.checkpoint: Required value"},
		"one resume checkpoint only":            {validRun, func(o object) { spec("checkpoint")(o)["keepLast"] = 1 }, "greater than or equal to 2"},
		"no image":                              {validRun, func(o object) { delete(template(o), "image") }, "spec.template.image: Required value"},
		"a zero batch":                          {validRun, func(o object) { hyper(o)["batchSize"] = 0 }, "greater than or equal to 2"},
		"zero epochs":                           {validRun, func(o object) { hyper(o)["epochs"] = 0 }, "greater than or equal to 1"},
		"a tiny image":                          {validRun, func(o object) { hyper(o)["imageSize"] = 8 }, "greater than or equal to 32"},
		"a learning rate that is no number":     {validRun, func(o object) { hyper(o)["learningRate"] = "fast" }, "should match"},
		"a learning rate that is not quoted":    {validRun, func(o object) { hyper(o)["learningRate"] = 0.001 }, "must be of type string"},
		"a learning rate of zero":               {validRun, func(o object) { hyper(o)["learningRate"] = "0" }, "must be above 0 (at least 1e-30) and at most 10"},
		"an epsilon that float32 takes for 0":   {validRun, func(o object) { hyper(o)["epsilon"] = "1e-60" }, "must be between 1e-30 and 1000000"},
		"a norm that float32 cannot hold":       {validRun, func(o object) { hyper(o)["clipNorm"] = "1e39" }, "must be 0, which turns clipping off, or between"},
		"a learning rate below zero":            {validRun, func(o object) { hyper(o)["learningRate"] = "-0.1" }, "should match"},
		"a warm-up as long as the training":     {validRun, func(o object) { hyper(o)["epochs"], hyper(o)["warmupEpochs"] = 3, 3 }, "together must be below epochs"},
		"a head's phase from random weights":    {validRun, func(o object) { hyper(o)["headEpochs"] = 1 }, "headEpochs needs pretrained"},
		"an optimizer that does not exist":      {validRun, func(o object) { hyper(o)["optimizer"] = "adam" }, `supported values: "adamw", "sgd"`},
		"a preset that does not exist":          {validRun, func(o object) { hyper(o)["preset"] = "best" }, `supported values: "default", "paper"`},
		"parts that do not divide the batch":    {validRun, func(o object) { hyper(o)["batchSize"], hyper(o)["accumulate"] = 16, 3 }, "accumulate must divide batchSize"},
		"parts of one sample":                   {validRun, func(o object) { hyper(o)["batchSize"], hyper(o)["accumulate"] = 16, 16 }, "accumulate must divide batchSize"},
		"a momentum of one":                     {validRun, func(o object) { hyper(o)["momentum"] = "1" }, "must be at most 0.9999"},
		"a shift out of the picture":            {validRun, func(o object) { at(hyper(o), "augment")["shift"] = "0.6" }, "it is a share of the side"},
		"flips":                                 {validRun, func(o object) { at(hyper(o), "augment")["flip"] = "0.5" }, "unknown field"},
		"one file of weights for two depths":    {validRun, func(o object) { spec("pretrained")(o)["uri"] = "file:///w/resnet50.safetensors" }, "pretrained.uri must contain {depth}"},
		"colours that nobody maps": {validRun, func(o object) {
			p := spec("pretrained")(o)
			p["uri"], p["colours"] = "file:///w/{depth}.safetensors", []any{object{"channel": "AM", "colour": "R"}}
		}, "colours and inputAdaptation mapped need each other"},
		"a colour that a photograph lacks": {validRun, func(o object) {
			p := spec("pretrained")(o)
			p["uri"], p["inputAdaptation"], p["colours"] = "file:///w/{depth}.safetensors", "mapped", []any{object{"channel": "AM", "colour": "UV"}}
		}, `supported values: "R", "G", "B", "mean"`},
		"a patience of zero": {validRun, func(o object) { spec("earlyStopping")(o)["patience"] = 0 }, "greater than or equal to 1"},
		"a loss that is weighted twice": {validRun, func(o object) {
			spec("imbalance")(o)["lossWeight"], spec("imbalance")(o)["effectiveNumber"] = "1", "0.99"
		}, "both weigh the loss"},
		"a setting that nobody reads":          {validRun, func(o object) { hyper(o)["learningrate"] = "0.1" }, "unknown field"},
		"an exponent above one":                {validRun, func(o object) { spec("imbalance")(o)["samplerWeight"] = "1.5" }, "it is an exponent"},
		"a split that leaves nothing to train": {validRun, func(o object) { spec("dataset")(o)["split"] = object{"test": "0.5", "validation": "0.45"} }, "leave more than a tenth"},
		"a split without validation":           {validRun, func(o object) { spec("dataset")(o)["split"] = object{"validation": "0"} }, "must be above 0 and below 1"},
		"a split by an unknown group":          {validRun, func(o object) { spec("dataset")(o)["split"] = object{"groupBy": "colour"} }, `supported values: "package", "none"`},
		"another metric":                       {validRun, func(o object) { spec("objective")(o)["metric"] = "accuracy" }, `supported values: "AUCPR"`},
		"a tie margin above one":               {validRun, func(o object) { spec("objective")(o)["tieMargin"] = "2" }, "must be between 0 and 1"},
		"no parallelism":                       {validRun, func(o object) { spec()(o)["parallelism"] = 0 }, "greater than or equal to 1"},
		"a name of 41 characters":              {validRun, func(o object) { at(o, "metadata")["name"] = strings.Repeat("a", 41) }, "at most 40 characters without dots"},
		"a name with a dot":                    {validRun, func(o object) { at(o, "metadata")["name"] = "a.b" }, "at most 40 characters without dots"},
		"a volume of the host":                 {validRun, func(o object) { template(o)["volumes"] = []any{object{"name": "h", "hostPath": object{"path": "/"}}} }, "unknown field"},
		"a volume without a source":            {validRun, func(o object) { template(o)["volumes"] = []any{object{"name": "h"}} }, "give exactly one of persistentVolumeClaim"},
		"a mount of no volume":                 {validRun, func(o object) { template(o)["volumeMounts"] = []any{object{"name": "h", "mountPath": "/h"}} }, "must name one of the volumes"},
		"a variable of the operator's":         {validRun, func(o object) { template(o)["env"] = []any{object{"name": "PLUMBLINE_TRIAL", "value": "{}"}} }, "are set by the operator"},
		"a label of the operator's":            {validRun, func(o object) { template(o)["labels"] = object{"plumbline.dev/run": "x"} }, "are set by the operator"},
		"a trial to stop that there is not":    {validRun, func(o object) { spec()(o)["stopTrials"] = []any{"d101"} }, "only trials of depths that are listed"},
		"a trial to stop named twice":          {validRun, func(o object) { spec()(o)["stopTrials"] = []any{"d18", "d18"} }, "Duplicate value"},
		"a deadline of zero":                   {validRun, func(o object) { spec()(o)["activeDeadlineSeconds"] = 0 }, "greater than or equal to 1"},
		"a time to live below zero":            {validRun, func(o object) { spec()(o)["ttlSecondsAfterFinished"] = -1 }, "greater than or equal to 0"},
		"more successes than trials":           {validRun, func(o object) { spec("failurePolicy")(o)["minSucceededTrials"] = 3 }, "higher than the number of depths"},
		"early stopping by nothing":            {validRun, func(o object) { spec()(o)["earlyStopping"] = object{} }, "needs patience or cohort"},
		"a cohort without a grace":             {validRun, func(o object) { spec("earlyStopping")(o)["cohort"] = object{"margin": "0.1"} }, "graceEpochs: Required value"},
		"a cohort without a margin":            {validRun, func(o object) { spec("earlyStopping")(o)["cohort"] = object{"graceEpochs": 2, "margin": "0"} }, "must be above 0 and at most 1"},
		"an older run that is no uid":          {validRun, func(o object) { spec("checkpoint")(o)["resumeFrom"] = "erasers" }, "should match"},
		"a model without a registry":           {validModel, func(o object) { delete(spec()(o), "registry") }, "spec.registry: Required value"},
		"a model's name with a dot":            {validModel, func(o object) { at(o, "metadata")["name"] = "a.b" }, "at most 40 characters without dots"},
		"a version whose name is not its own":  {validVersion, func(o object) { at(o, "metadata")["name"] = "refused-v2" }, "must be <spec.model>-v<spec.version>"},
		"a version with a padded number":       {validVersion, func(o object) { at(o, "metadata")["name"] = "refused-v01" }, "must be <spec.model>-v<spec.version>"},
		"a version numbered zero":              {validVersion, func(o object) { spec()(o)["version"] = 0; at(o, "metadata")["name"] = "refused-v0" }, "greater than or equal to 1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := tt.of()
			tt.bend(o)
			out, err := applyDryRun(t, o)
			if err == nil {
				t.Fatalf("the API server accepted it")
			}
			if !strings.Contains(out, tt.want) {
				t.Errorf("the message does not help: want a part %q in\n%s", tt.want, out)
			}
		})
	}
}

// TestAPIServerKeepsSpecsImmutable adds, changes and removes each field that must not move, on objects that exist.
func TestAPIServerKeepsSpecsImmutable(t *testing.T) {
	full := validRun()
	at(full, "metadata")["name"] = "immutable"
	at(full, "spec")["parallelism"] = 1
	fields := map[string]struct{ before, after any }{
		"pretrained":      {object{"uri": "file:///w/resnet{depth}.safetensors"}, object{"uri": "file:///v/resnet{depth}.safetensors"}},
		"earlyStopping":   {object{"patience": 3}, object{"patience": 4}},
		"overrides":       {[]any{object{"depth": 18, "epochs": 2}}, []any{object{"depth": 18, "epochs": 3}}},
		"hyperparameters": {object{"epochs": 2, "warmupEpochs": 0}, object{"epochs": 3, "warmupEpochs": 0}},
		"imbalance":       {object{"lossWeight": "0"}, object{"lossWeight": "1"}},
		"objective":       {object{"tieMargin": "0"}, object{"tieMargin": "0.1"}},
		"failurePolicy":   {object{"maxRetries": 1}, object{"maxRetries": 2}},

		"activeDeadlineSeconds": {3600, 7200},
		"stallTimeoutSeconds":   {600, 0},
		"nodeLossSeconds":       {60, 0},
	}
	// Two paused runs: one with every optional field and one with none. They name an image that no node has.
	bare := clone(full)
	at(bare, "metadata")["name"] = "immutable-bare"
	for name, f := range fields {
		at(full, "spec")[name] = f.before
	}
	for _, o := range []object{full, bare} {
		at(o, "spec", "template")["image"] = "plumbline.dev/nobody-has-this:dev"
		apply(t, o)
		t.Cleanup(func() {
			kubectl(t, "delete", "trun", at(o, "metadata")["name"].(string), "-n", "default", "--ignore-not-found")
		})
	}
	refused := func(t *testing.T, o object, field string) {
		t.Helper()
		out, err := replace(t, o)
		if want := field + " cannot change"; err == nil || !strings.Contains(out, want) {
			t.Errorf("want a refusal with %q, got %v\n%s", want, err, out)
		}
	}
	for name, f := range fields {
		t.Run("changing "+name, func(t *testing.T) { o := clone(full); at(o, "spec")[name] = f.after; refused(t, o, name) })
		t.Run("removing "+name, func(t *testing.T) { o := clone(full); delete(at(o, "spec"), name); refused(t, o, name) })
		t.Run("adding "+name, func(t *testing.T) { o := clone(bare); at(o, "spec")[name] = f.after; refused(t, o, name) })
	}
	for name, bend := range map[string]func(spec object){
		"depths":     func(s object) { s["depths"] = []any{18} },
		"dataset":    func(s object) { at(s, "dataset")["corrections"] = "file:///data/corrections.csv" },
		"checkpoint": func(s object) { at(s, "checkpoint")["keepLast"] = 3 },
		"template":   func(s object) { at(s, "template")["image"] = "another" },
	} {
		t.Run("changing "+name, func(t *testing.T) { o := clone(full); bend(at(o, "spec")); refused(t, o, name) })
	}
	for field, value := range map[string]any{"parallelism": 2, "suspend": true, "stopTrials": []any{"d18"}, "ttlSecondsAfterFinished": 3600} {
		t.Run(field+" may change", func(t *testing.T) {
			o := clone(full)
			at(o, "spec")[field] = value
			if out, err := replace(t, o); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func clone(o object) object {
	var c object
	if err := json.Unmarshal(encode(o), &c); err != nil {
		panic(err)
	}
	return c
}

func encode(o object) []byte {
	b, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("a test's own manifest: %v", err))
	}
	return b
}
