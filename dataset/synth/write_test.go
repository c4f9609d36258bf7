package synth

import (
	"context"
	"os"
	"testing"
)

func TestTry(t *testing.T) {
	dir := os.Getenv("TRY")
	if dir == "" {
		t.Skip()
	}
	sp := Spec{Samples: 480, Prevalence: 0.3, MinSeverity: 0.7, Seed: 7, Size: 96, PackageSize: 15, Channels: Lights()}
	if os.Getenv("HARD") != "" {
		sp = Spec{Samples: 1381, Prevalence: 0.12, MinSeverity: 0.2, LabelNoise: 0.06, Seed: 7, Size: 96, PackageSize: 15, Channels: Lights()}
	}
	if _, err := Write(context.Background(), sp, dir, true, nil); err != nil {
		t.Fatal(err)
	}
}
