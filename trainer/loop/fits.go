package loop

import (
	"cmp"
	"encoding/json"
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
	before, after := map[string]string{}, map[string]string{}
	flatten(before, "", plain(then))
	flatten(after, "", plain(now))
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if before[name] != after[name] {
			differ = append(differ, fmt.Sprintf("%s %s, now %s", name, cmp.Or(before[name], "not set"), cmp.Or(after[name], "not set")))
		}
	}
	return differ
}

// plain is what JSON makes of v: objects, lists and values, under the names that manifest and API use.
func plain(v any) (out any) {
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic(err) // plain data of our own types: never NaN, which Validate refuses
	}
	return out
}

// flatten writes each value below its path. Lists are values: one that has changed is best seen whole.
func flatten(into map[string]string, path string, v any) {
	fields, ok := v.(map[string]any)
	if !ok {
		text, _ := json.Marshal(v) // of what JSON gave
		into[path] = string(text)
		return
	}
	for name, value := range fields {
		flatten(into, strings.TrimPrefix(path+"."+name, "."), value)
	}
}
