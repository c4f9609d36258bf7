package resolve

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

func newRun() *api.TrainingRun {
	return &api.TrainingRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: "erasers", UID: "11111111-2222", Generation: 1},
		Spec: api.TrainingRunSpec{
			Depths:          []api.Depth{18},
			Dataset:         api.Dataset{URI: "file:///data"},
			Hyperparameters: &api.Hyperparameters{Epochs: ptr.To(int32(4))},
			Checkpoint:      api.Checkpoint{URI: "file:///checkpoints"},
			Template:        api.PodTemplate{Image: "trainer:1"},
		},
	}
}

func TestTrialFillsInDefaults(t *testing.T) {
	run := newRun()
	run.Spec.Hyperparameters = nil
	got, err := Trial(run, 18, 2, Installation{NATS: "nats://nats:4222"})
	if err != nil {
		t.Fatal(err)
	}
	hyper, imbalance := wire.Recipe(wire.PresetDefault, false)
	want := wire.Trial{
		Version:         wire.Version,
		Run:             wire.Run{Namespace: "lab", Name: "erasers", UID: "11111111-2222"},
		Name:            "d18",
		Depth:           18,
		Attempt:         2,
		Threads:         1,
		StallSeconds:    1800,
		Dataset:         wire.Dataset{URI: "file:///data", Split: wire.DefaultSplit()},
		Hyperparameters: hyper,
		Imbalance:       imbalance,
		Checkpoint:      wire.DefaultCheckpointSettings("file:///checkpoints"),
		Reports:         wire.ReportSettings{URL: "nats://nats:4222", Credentials: "/plumbline/nats/user.creds"},
		Scratch:         "/plumbline/scratch",
		Result:          "/dev/termination-log",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTrialTakesTheSettingsOfTheRun(t *testing.T) {
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
		Corrections                    string
	}
	base := settings{Threads: 1, Epochs: 4, Warmup: 2, Batch: 32, Rate: 1e-3, Test: 0.2}
	for name, tc := range map[string]struct {
		change func(*api.TrainingRunSpec)
		expect func(*settings) // changes base to what is wanted; nil: base
	}{
		"nothing": {
			change: func(*api.TrainingRunSpec) {},
		},
		"half a CPU is one thread": {
			change: func(s *api.TrainingRunSpec) { s.Template.Resources = cpu("500m", "") },
		},
		"two and a half CPUs are three threads": {
			change: func(s *api.TrainingRunSpec) { s.Template.Resources = cpu("2500m", "8") },
			expect: func(s *settings) { s.Threads = 3 },
		},
		"a limit alone is also the request": {
			change: func(s *api.TrainingRunSpec) { s.Template.Resources = cpu("", "4") },
			expect: func(s *settings) { s.Threads = 4 },
		},
		"a GPU is requested by its limit": {
			change: func(s *api.TrainingRunSpec) {
				s.Template.Resources.Limits = corev1.ResourceList{api.ResourceGPU: resource.MustParse("1")}
			},
			expect: func(s *settings) { s.GPU = true },
		},
		"an override of another depth": {
			change: func(s *api.TrainingRunSpec) {
				s.Overrides = []api.DepthOverride{{Depth: 34, BatchSize: ptr.To(int32(8))}}
			},
		},
		"an override of batch and epochs": {
			change: func(s *api.TrainingRunSpec) {
				s.Overrides = []api.DepthOverride{{Depth: 18, BatchSize: ptr.To(int32(8)), Epochs: ptr.To(int32(9))}}
			},
			expect: func(s *settings) { s.Batch, s.Epochs = 8, 9 },
		},
		"an override of resources": {
			change: func(s *api.TrainingRunSpec) {
				r := cpu("3", "")
				s.Overrides = []api.DepthOverride{{Depth: 18, Resources: &r}}
			},
			expect: func(s *settings) { s.Threads = 3 },
		},
		"a single epoch has no warm-up": {
			change: func(s *api.TrainingRunSpec) { s.Hyperparameters.Epochs = ptr.To(int32(1)) },
			expect: func(s *settings) { s.Epochs, s.Warmup = 1, 0 },
		},
		"a number with an exponent": {
			change: func(s *api.TrainingRunSpec) { s.Hyperparameters.LearningRate = ptr.To(api.Decimal("5e-4")) },
			expect: func(s *settings) { s.Rate = 5e-4 },
		},
		"a zero that is set replaces the default": {
			change: func(s *api.TrainingRunSpec) { s.Dataset.Split = &api.Split{Test: ptr.To(api.Decimal("0"))} },
			expect: func(s *settings) { s.Test = 0 },
		},
		"imbalance in the loss": {
			change: func(s *api.TrainingRunSpec) {
				s.Imbalance = &api.Imbalance{LossWeight: ptr.To(api.Decimal("1"))}
			},
			expect: func(s *settings) { s.LossWeight = 1 },
		},
		"corrections": {
			change: func(s *api.TrainingRunSpec) {
				s.Dataset.Corrections = ptr.To(api.Location("file:///data/c.csv"))
			},
			expect: func(s *settings) { s.Corrections = "file:///data/c.csv" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			run := newRun()
			tc.change(&run.Spec)
			r, err := Trial(run, 18, 1, Installation{})
			if err != nil {
				t.Fatal(err)
			}
			h := r.Hyperparameters
			got := settings{
				Threads:     r.Threads,
				Epochs:      h.Epochs,
				Warmup:      h.WarmupEpochs,
				Batch:       h.BatchSize,
				GPU:         r.GPU,
				Rate:        h.LearningRate,
				LossWeight:  r.Imbalance.LossWeight,
				Test:        r.Dataset.Split.Test,
				Corrections: r.Dataset.Corrections,
			}
			want := base
			if tc.expect != nil {
				tc.expect(&want)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The API server cannot refuse all invalid combinations of settings. One error names all those that remain.
func TestTrialNamesAllInvalidSettings(t *testing.T) {
	run := newRun()
	run.Spec.Hyperparameters.WarmupEpochs = ptr.To(int32(5))
	run.Spec.Hyperparameters.ClipNorm = ptr.To(api.Decimal("much"))
	_, err := Trial(run, 18, 1, Installation{})
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
