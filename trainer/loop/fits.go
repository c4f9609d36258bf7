package loop

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plumbline.dev/plumbline/wire"
)

// ErrOtherSettings says that a checkpoint was trained on other settings than a trial's.
var ErrOtherSettings = errors.New("it was trained on other settings")

// Fits says why a trial may not go on from a checkpoint: it would become neither what the checkpoint began nor what was asked for.
func (c Config) Fits(m wire.Manifest) error {
	differ := differences(learning(m, m.Settings), learning(c.Manifest, c.Trial))
	if len(differ) > 0 {
		return fmt.Errorf("%w: %s", ErrOtherSettings, strings.Join(differ, "; "))
	}
	return nil
}

// FitsLonger is Fits for what a trial of an older run left: that one may have been told to train fewer epochs, and to be patient
// for another while. Neither changes what a step did, but for the rate of a cosine.
func (c Config) FitsLonger(m wire.Manifest) error {
	then, now := &m.Settings.Hyperparameters, c.Trial.Hyperparameters
	then.Patience = now.Patience
	if then.Epochs <= now.Epochs { // fewer are named
		then.Epochs = now.Epochs
	}
	return c.Fits(m)
}

// learning is all that decides what is learned, by the names that people know it by.
func learning(m wire.Manifest, t wire.Trial) map[string]any {
	return map[string]any{
		"architecture": m.Architecture, "classes": m.Classes, "input": m.Input, "data": m.Digests, "pretrained": m.Pretrained,
		"hyperparameters": t.Hyperparameters, "imbalance": t.Imbalance,
	}
}

// differences names each value that is not the same, such as "hyperparameters.learningRate 0.001, now 0.002", in order.
func differences(then, now map[string]any) (differ []string) {
	before, after := listed(then), listed(now)
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if before[name] != after[name] {
			differ = append(differ, fmt.Sprintf("%s %s, now %s", name, cmp.Or(before[name], "not set"), cmp.Or(after[name], "not set")))
		}
	}
	return differ
}

func listed(document map[string]any) map[string]string {
	settings, err := wire.Settings(document)
	if err != nil {
		panic(err) // plain data of our own types: never NaN, which Validate refuses
	}
	texts := map[string]string{}
	for _, s := range settings {
		texts[s.Name] = s.Text
	}
	return texts
}
