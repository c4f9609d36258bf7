package tensorboard

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"plumbline.dev/plumbline/wire"
)

// settingValues show what a trial was told: all of it as a table, what a sweep varies as hyperparameters that TensorBoard sorts and
// filters by, and a chart that draws AUC-PR with its interval around it.
func settingValues(t wire.Trial, writer string, first wire.Report) ([]value, error) {
	settings, err := trialSettings(t)
	if err != nil {
		return nil, fmt.Errorf("list the settings: %w", err)
	}
	d := first.Digests
	all := append([]wire.Setting{
		{Name: "writer", Text: writer}, {Name: "release", Text: wire.Release},
		{Name: "digests.data", Text: d.Data}, {Name: "digests.labels", Text: d.Labels},
		{Name: "digests.overlay", Text: d.Overlay}, {Name: "digests.split", Text: d.Split},
	}, settings...)
	return []value{
		{tag: "settings", plugin: "text", class: classTensor, about: "everything that the trial was told", tensor: encodeText(table(all))},
		hyperparameters(writer, first.Time, slices.DeleteFunc(settings, func(s wire.Setting) bool { return !varied(s.Name) })),
		intervalChart(),
	}, nil
}

// trialSettings lists what a trial was told, in the order in which wire.Trial declares it. Where reports and other work go is no setting.
func trialSettings(t wire.Trial) ([]wire.Setting, error) {
	t.Reports, t.Scratch, t.Result = wire.Reports{}, "", ""
	return wire.Settings(t)
}

// table leaves out what is not set.
func table(settings []wire.Setting) string {
	var b strings.Builder
	b.WriteString("| setting | value |\n|---|---|\n")
	for _, s := range settings {
		if s.Text != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", cell(s.Name), cell(s.Text))
		}
	}
	return b.String()
}

// varied says whether trials are compared by a setting; the rest says where things are.
func varied(name string) bool {
	section, _, _ := strings.Cut(name, ".")
	return slices.Contains([]string{"depth", "threads", "gpu", "pretrained", "hyperparameters", "imbalance"}, section)
}

// hyperparameters is the plug-in's SessionStartInfo. Each writer is a group of its own, and so a row of the table: it shows the mean
// over a group, and the mean of an attempt that was killed early and of the one that went on means nothing.
func hyperparameters(group string, began time.Time, settings []wire.Setting) value {
	var info []byte
	for _, s := range settings {
		var v []byte // a google.protobuf.Value
		switch of := s.Value.(type) {
		case float64:
			v = appendFixed(nil, 2, of)
		case bool:
			v = appendFlag(nil, 4, of)
		default:
			v = appendBytes(nil, 3, []byte(s.Text))
		}
		name := strings.TrimPrefix(s.Name, "hyperparameters.")
		info = appendBytes(info, 1, appendBytes(appendString(nil, 1, name), 2, v))
	}
	info = appendDouble(appendString(info, 4, group), 5, seconds(began))
	return value{
		tag: "_hparams_/session_start_info", plugin: "hparams", class: classTensor,
		content: appendBytes(nil, 3, info), tensor: encodeFloats(nil, 0),
	}
}

// intervalChart is a Layout of the custom-scalars plug-in with one chart, the same in all runs.
func intervalChart() value {
	series := appendString(appendString(appendString(nil, 1, tagEach), 2, tagLow), 3, tagHigh)
	chart := appendBytes(appendString(nil, 1, "AUC-PR and its 95 % interval"), 3, appendBytes(nil, 1, series))
	category := appendBytes(appendString(nil, 1, "validation"), 2, chart)
	return value{
		tag: "custom_scalars__config__", plugin: "custom_scalars", class: classTensor,
		tensor: encodeText(string(appendBytes(nil, 2, category))),
	}
}
