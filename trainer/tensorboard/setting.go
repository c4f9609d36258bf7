package tensorboard

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"plumbline.dev/plumbline/wire"
)

// settingValues returns the settings of a trial: all of them as a table, and those that differ between trials as
// hyperparameters, by which TensorBoard sorts and filters. It also returns a chart of the AUC-PR with its interval.
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
	compared := slices.DeleteFunc(settings, func(s wire.Setting) bool { return !isCompared(s.Name) })
	return []value{
		{
			tag: "settings", plugin: "text", class: classTensor,
			about:  "All settings of the trial",
			tensor: encodeText(table(all)),
		},
		hyperparameters(writer, first.Time, compared),
		intervalChart(),
	}, nil
}

// trialSettings returns the settings of a trial, in the order in which wire.Trial declares them. It leaves out where
// the trial sends reports and does other work.
func trialSettings(t wire.Trial) ([]wire.Setting, error) {
	t.Reports, t.Scratch, t.Result = wire.ReportSettings{}, "", ""
	return wire.Flatten(t)
}

// table returns a Markdown table of the settings that are set.
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

// isCompared reports whether trials are compared by a setting. The other settings are locations and names.
func isCompared(name string) bool {
	section, _, _ := strings.Cut(name, ".")
	return slices.Contains([]string{"depth", "threads", "gpu", "pretrained", "hyperparameters", "imbalance"}, section)
}

// hyperparameters returns the SessionStartInfo of the hyperparameters plug-in. TensorBoard's table has a row for each
// group and shows the mean over the group. Each writer is a group by itself, because a mean over an attempt that was
// killed early and the attempt that resumed would mean nothing.
func hyperparameters(group string, started time.Time, settings []wire.Setting) value {
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
	info = appendDouble(appendString(info, 4, group), 5, seconds(started))
	return value{
		tag: "_hparams_/session_start_info", plugin: "hparams", class: classTensor,
		content: appendBytes(nil, 3, info), tensor: encodeFloats(nil, 0),
	}
}

// intervalChart returns a Layout of the custom scalars plug-in with one chart, which is the same in all runs.
func intervalChart() value {
	series := appendString(appendString(appendString(nil, 1, tagEach), 2, tagLow), 3, tagHigh)
	chart := appendBytes(appendString(nil, 1, "AUC-PR and its 95 % interval"), 3, appendBytes(nil, 1, series))
	category := appendBytes(appendString(nil, 1, "validation"), 2, chart)
	return value{
		tag: "custom_scalars__config__", plugin: "custom_scalars", class: classTensor,
		tensor: encodeText(string(appendBytes(nil, 2, category))),
	}
}
