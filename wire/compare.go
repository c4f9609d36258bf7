package wire

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Difference is a value that two documents disagree on.
type Difference struct {
	Name      string // the path to the value, such as hyperparameters.learningRate
	Then, Now string // the values as JSON has them; "" if the value is not set
}

func (d Difference) String() string {
	return fmt.Sprintf("%s %s, now %s", d.Name, cmp.Or(d.Then, "not set"), cmp.Or(d.Now, "not set"))
}

// OtherSettingsError reports that a checkpoint was trained on other data or settings than a trial asks for.
type OtherSettingsError struct {
	Differences []Difference // ordered by name, at least one
}

func (e *OtherSettingsError) Error() string {
	texts := make([]string, len(e.Differences))
	for i, d := range e.Differences {
		texts[i] = d.String()
	}
	return "it was trained on other settings: " + strings.Join(texts, "; ")
}

// CheckResume returns an *OtherSettingsError if a trial that would write the manifest now may not resume from this
// checkpoint. It compares everything that decides what is learned: if any of that differed, the resumed trial would
// be trained partly on the checkpoint's settings and partly on its own, and its result would belong to neither.
func (m Manifest) CheckResume(now Manifest) error {
	if differences := diff(m.learned(), now.learned()); len(differences) > 0 {
		return &OtherSettingsError{Differences: differences}
	}
	return nil
}

// CheckResumeFromOlderRun is CheckResume for a checkpoint of an older run. The older run may have asked for fewer
// epochs and for another patience. Neither changes what a step did, except for the learning rate of a cosine
// schedule.
func (m Manifest) CheckResumeFromOlderRun(now Manifest) error {
	older, newer := &m.Settings.Hyperparameters, now.Settings.Hyperparameters
	older.Patience = newer.Patience
	if older.Epochs <= newer.Epochs { // otherwise CheckResume reports epochs as a difference
		older.Epochs = newer.Epochs
	}
	return m.CheckResume(now)
}

// learned returns everything that decides what is learned, under the names that people know.
func (m Manifest) learned() map[string]any {
	return map[string]any{
		"architecture":    m.Architecture,
		"classes":         m.Classes,
		"input":           m.Input,
		"data":            m.Digests,
		"pretrained":      m.Pretrained,
		"hyperparameters": m.Settings.Hyperparameters,
		"imbalance":       m.Settings.Imbalance,
	}
}

// diff returns the values that two documents disagree on, ordered by name.
func diff(then, now map[string]any) (differences []Difference) {
	before, after := settingTexts(then), settingTexts(now)
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if before[name] != after[name] {
			differences = append(differences, Difference{Name: name, Then: before[name], Now: after[name]})
		}
	}
	return differences
}

// settingTexts returns the texts of all values in a document by their names.
func settingTexts(document map[string]any) map[string]string {
	settings, err := Flatten(document)
	if err != nil {
		panic(err) // cannot happen: the document is plain data without NaN, which Validate refuses
	}
	texts := map[string]string{}
	for _, s := range settings {
		texts[s.Name] = s.Text
	}
	return texts
}

// Changed returns a text such as "threads 4, was 2, device gpu, was cpu". It names everything that float32 sums
// depend on and that differs between then and now. The text is empty if a resumed trial gives the same bits as one
// that was never interrupted.
func (now Numerics) Changed(then Numerics) string {
	var changes []string
	for _, d := range []struct{ name, then, now string }{
		{"TensorFlow", then.TensorFlow, now.TensorFlow},
		{"instruction set", then.ISA, now.ISA},
		{"threads", fmt.Sprint(then.Threads), fmt.Sprint(now.Threads)},
		{"precision", then.Precision, now.Precision},
		{"device", then.Device, now.Device},
	} {
		if d.then != d.now {
			changes = append(changes, fmt.Sprintf("%s %s, was %s", d.name, d.now, d.then))
		}
	}
	return strings.Join(changes, ", ")
}
