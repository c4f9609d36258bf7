package plan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

func TestResolveFillsInWhatIsLeftOut(t *testing.T) {
	run := newWorld(t, 18).run
	run.Spec.Hyperparameters = nil
	got, err := Resolve(run, 18, 2, Settings{NATS: "nats://nats:4222"})
	if err != nil {
		t.Fatal(err)
	}
	hyper, imbalance := wire.Recipe(wire.PresetDefault, false)
	want := wire.Trial{
		Version: wire.Version, Run: wire.Run{Namespace: "lab", Name: "erasers", UID: "11111111-2222"},
		Name: "d18", Depth: 18, Attempt: 2, Threads: 1, StallSeconds: 1800,
		Dataset:         wire.Dataset{URI: "file:///data", Split: wire.DefaultSplit()},
		Hyperparameters: hyper,
		Imbalance:       imbalance,
		Checkpoint:      wire.DefaultCheckpoint("file:///checkpoints"),
		Reports:         wire.Reports{URL: "nats://nats:4222", Credentials: "/plumbline/nats/user.creds"},
		Scratch:         "/plumbline/scratch", Result: "/dev/termination-log",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestResolve(t *testing.T) {
	cpu := func(request, limit string) corev1.ResourceRequirements {
		r := corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}
		if request != "" {
			r.Requests[corev1.ResourceCPU] = resource.MustParse(request)
		}
		if limit != "" {
			r.Limits[corev1.ResourceCPU] = resource.MustParse(limit)
		}
		return r
	}
	type settings struct {
		Threads, Epochs, Warmup, Batch int
		GPU                            bool
		Rate, LossWeight, Test         float64
		Overlay                        string
	}
	base := settings{Threads: 1, Epochs: 4, Warmup: 2, Batch: 32, Rate: 1e-3, Test: 0.2}
	but := func(change func(*settings)) settings { s := base; change(&s); return s }
	for name, tc := range map[string]struct {
		change func(*api.TrainingRunSpec)
		want   settings
	}{
		"nothing":                           {func(*api.TrainingRunSpec) {}, base},
		"half a CPU is one thread":          {func(s *api.TrainingRunSpec) { s.Template.Resources = cpu("500m", "") }, base},
		"two and a half CPUs are three":     {func(s *api.TrainingRunSpec) { s.Template.Resources = cpu("2500m", "8") }, but(func(s *settings) { s.Threads = 3 })},
		"a limit alone is also the request": {func(s *api.TrainingRunSpec) { s.Template.Resources = cpu("", "4") }, but(func(s *settings) { s.Threads = 4 })},
		"a GPU is asked for by its limit": {func(s *api.TrainingRunSpec) {
			s.Template.Resources.Limits = corev1.ResourceList{api.ResourceGPU: resource.MustParse("1")}
		}, but(func(s *settings) { s.GPU = true })},
		"an override of another depth": {func(s *api.TrainingRunSpec) { s.Overrides = []api.DepthOverride{{Depth: 34, BatchSize: ptr(int32(8))}} }, base},
		"an override of batch and epochs": {func(s *api.TrainingRunSpec) {
			s.Overrides = []api.DepthOverride{{Depth: 18, BatchSize: ptr(int32(8)), Epochs: ptr(int32(9))}}
		}, but(func(s *settings) { s.Batch, s.Epochs = 8, 9 })},
		"an override of resources": {func(s *api.TrainingRunSpec) {
			r := cpu("3", "")
			s.Overrides = []api.DepthOverride{{Depth: 18, Resources: &r}}
		}, but(func(s *settings) { s.Threads = 3 })},
		"one epoch leaves no room to warm up": {func(s *api.TrainingRunSpec) { s.Hyperparameters.Epochs = ptr(int32(1)) }, but(func(s *settings) { s.Epochs, s.Warmup = 1, 0 })},
		"numbers with exponents":              {func(s *api.TrainingRunSpec) { s.Hyperparameters.LearningRate = ptr(api.Decimal("5e-4")) }, but(func(s *settings) { s.Rate = 5e-4 })},
		"a zero that is set is a zero":        {func(s *api.TrainingRunSpec) { s.Dataset.Split = &api.Split{Test: ptr(api.Decimal("0"))} }, but(func(s *settings) { s.Test = 0 })},
		"imbalance in the loss":               {func(s *api.TrainingRunSpec) { s.Imbalance = &api.Imbalance{LossWeight: ptr(api.Decimal("1"))} }, but(func(s *settings) { s.LossWeight = 1 })},
		"corrections":                         {func(s *api.TrainingRunSpec) { s.Dataset.Corrections = ptr(api.Location("file:///data/c.csv")) }, but(func(s *settings) { s.Overlay = "file:///data/c.csv" })},
	} {
		t.Run(name, func(t *testing.T) {
			run := newWorld(t, 18).run
			tc.change(&run.Spec)
			r, err := Resolve(run, 18, 1, Settings{})
			if err != nil {
				t.Fatal(err)
			}
			h := r.Hyperparameters
			got := settings{r.Threads, h.Epochs, h.WarmupEpochs, h.BatchSize, r.GPU, h.LearningRate, r.Imbalance.LossWeight, r.Dataset.Split.Test, r.Dataset.Corrections}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What only the whole of a run can show to be wrong is said all at once.
func TestResolveRefuses(t *testing.T) {
	run := newWorld(t, 18).run
	run.Spec.Hyperparameters.WarmupEpochs = ptr(int32(5))
	run.Spec.Hyperparameters.ClipNorm = ptr(api.Decimal("much"))
	_, err := Resolve(run, 18, 1, Settings{})
	for _, want := range []string{
		"d18",
		"hyperparameters.warmupEpochs 5 is outside 0..3: the main phase, after headEpochs, has 4 epochs",
		`hyperparameters.clipNorm: "much" is not a decimal number`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
