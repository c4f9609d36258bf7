package tensorboard

import (
	"strings"
	"testing"

	"plumbline.dev/plumbline/wire"
)

func TestTheTableOfSettings(t *testing.T) {
	hyper, imbalance := wire.Recipe(wire.PresetDefault, true)
	settings, err := trialSettings(wire.Trial{
		Name:            "d50",
		Depth:           50,
		Threads:         4,
		Dataset:         wire.Dataset{URI: "file:///data/a|b"},
		Hyperparameters: hyper,
		Imbalance:       imbalance,
		Pretrained:      &wire.Pretrained{InputAdaptation: wire.AdaptMapped, Colours: map[string]string{"AM": "mean"}},
		Reports:         wire.ReportSettings{URL: "nats://server", Credentials: "/secret/user.creds"},
		Scratch:         "/scratch",
		Result:          "/result",
	})
	if err != nil {
		t.Fatal(err)
	}
	text := table(settings)
	for what, line := range map[string]string{
		"a number as in JSON":    "| hyperparameters.epsilon | 1e-8 |",
		"a nested setting":       "| hyperparameters.augment.shift | 0.04 |",
		"a setting that is zero": "| hyperparameters.labelSmoothing | 0 |",
		"a map":                  "| pretrained.colours.AM | mean |",
		"a value with a bar":     `| dataset.uri | file:///data/a\|b |`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%s: %s is not in\n%s", what, line, text)
		}
	}
	for _, hidden := range []string{"nats://", "creds", "/scratch", "/result", "|  |"} {
		if strings.Contains(text, hidden) {
			t.Errorf("%s is in\n%s", hidden, text)
		}
	}
	if strings.Index(text, "| depth |") > strings.Index(text, "| hyperparameters.") {
		t.Errorf("the settings are not in the order in which a trial declares them:\n%s", text)
	}
}
