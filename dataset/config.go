// dataset.yaml: the set's name, its channels and the places of its files. It is decoded node by node, so
// that every problem has its line and an unknown field is a problem.

package dataset

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// ConfigFile is the name of the file that makes a directory a set.
const ConfigFile = "dataset.yaml"

// Config is the content of dataset.yaml.
type Config struct {
	Name     string   `yaml:"name"`
	Channels []string `yaml:"channels,flow"` // in the order in which the network sees them
	// Files is the pattern of an image file's path, relative to the set: with {id}, or with a grid
	// {package}, and with {channel}.
	Files       string   `yaml:"files"`
	Labels      string   `yaml:"labels"`                // relative to the set
	Corrections string   `yaml:"corrections,omitempty"` // relative to the set; "" when there is no such file
	Range16     *Range16 `yaml:"range16,omitempty"`     // nil: the set has no 16-bit images
	Grid        *Grid    `yaml:"grid,omitempty"`        // nil: every sample has its own image files
}

// Range16 is the part of 0..65535 that 16-bit images use: Min becomes 0, Max becomes 255, and values
// outside are clipped. There is no default: the values of a 12-bit camera, read as 16 bits, would give
// an almost black image and no error.
type Range16 struct {
	Min uint16 `yaml:"min"`
	Max uint16 `yaml:"max"`
}

const (
	defaultFiles     = "images/{channel}/{id}.png"
	defaultGridFiles = "images/{channel}/{package}.png"
	defaultLabels    = "labels.csv"
	maxChannels      = 64  // far more than any camera has; bounds the memory that a set can need
	maxName          = 128 // bytes of the name of a sample, channel or package
)

// parseConfig parses the text of dataset.yaml. file is its name in problems.
func parseConfig(file string, text []byte) (Config, problems) {
	var ps problems
	var doc yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		ps.addf(file, 0, "is empty; it needs name and channels")
		return Config{}, ps
	case err != nil:
		// The YAML package counts the lines of some of these errors from 0 and of others from 1.
		line, reason := yamlReason(err)
		ps.addf(file, 0, "is not valid YAML, near line %d: %s", line, reason)
		return Config{}, ps
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		ps.addf(file, 0, "holds more than one YAML document; it may hold only one")
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		ps.addf(file, root.Line, "must consist of `key: value` lines")
		return Config{}, ps
	}

	c := Config{Files: defaultFiles, Labels: defaultLabels}
	nodes := readFields(file, root, map[string]any{
		"name":        &c.Name,
		"channels":    &c.Channels,
		"files":       &c.Files,
		"labels":      &c.Labels,
		"corrections": &c.Corrections,
		"range16":     nil,
		"grid":        nil,
	}, &ps)
	if node, ok := nodes["range16"]; ok {
		c.Range16 = parseRange16(file, node, &ps)
	}
	if node, ok := nodes["grid"]; ok {
		c.Grid = parseGrid(file, node, &ps)
		if nodes["files"] == nil {
			c.Files = defaultGridFiles
		}
	}
	if len(ps) == 0 {
		c.check(file, func(field string) int {
			if node, ok := nodes[field]; ok {
				return node.Line
			}
			return 0
		}, &ps)
	}
	return c, ps
}

// readFields decodes a mapping's values into the targets by field name, and returns each value's node.
// The caller decodes a field whose target is nil.
func readFields(file string, mapping *yaml.Node, targets map[string]any, ps *problems) map[string]*yaml.Node {
	nodes := map[string]*yaml.Node{}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		target, known := targets[key.Value]
		switch {
		case !known:
			fields := slices.Sorted(maps.Keys(targets))
			ps.addf(file, key.Line, "unknown field %q; the known fields are %s", key.Value, strings.Join(fields, ", "))
			continue
		case nodes[key.Value] != nil:
			ps.addf(file, key.Line, "%s is given twice, first in line %d", key.Value, nodes[key.Value].Line)
			continue
		}
		nodes[key.Value] = value
		if target == nil {
			continue
		}
		switch target.(type) {
		case *int, *uint16: // the YAML package would decode 2.5 as 2
			if value.ShortTag() != "!!int" {
				ps.addf(file, value.Line, "%s: %s is not a whole number", key.Value, cmp.Or(value.Value, "the value"))
				continue
			}
		}
		if err := value.Decode(target); err != nil {
			_, reason := yamlReason(err) // the error's line may be that of an alias
			ps.addf(file, value.Line, "%s: %s", key.Value, reason)
		}
	}
	return nodes
}

func parseRange16(file string, node *yaml.Node, ps *problems) *Range16 {
	if node.Kind != yaml.MappingNode {
		ps.addf(file, node.Line, "range16 needs min and max, as in {min: 0, max: 4095}")
		return nil
	}
	var r Range16
	nodes := readFields(file, node, map[string]any{"min": &r.Min, "max": &r.Max}, ps)
	switch {
	case nodes["min"] == nil || nodes["max"] == nil:
		ps.addf(file, node.Line, "range16 needs both min and max, as in {min: 0, max: 4095}")
	case len(*ps) == 0 && r.Min >= r.Max:
		ps.addf(file, node.Line, "range16: min %d is not below max %d", r.Min, r.Max)
	}
	return &r
}

// check refuses fields that are well-formed but cannot be used. line returns a field's line, 0 when the
// field is not in the file.
func (c Config) check(file string, line func(field string) int, ps *problems) {
	if c.Name == "" {
		ps.addf(file, line("name"), "name is missing")
	}
	if len(c.Channels) == 0 {
		ps.addf(file, line("channels"),
			"channels is missing; list them in the order in which the network sees them, as in [AM, GRAY]")
	}
	if len(c.Channels) > maxChannels {
		ps.addf(file, line("channels"), "has %d channels; a set may have at most %d", len(c.Channels), maxChannels)
	}
	for i, channel := range c.Channels {
		if reason := unsafeName(channel); reason != "" {
			ps.addf(file, line("channels"), "channel %q %s", channel, reason)
		}
		if slices.Contains(c.Channels[:i], channel) {
			ps.addf(file, line("channels"), "channel %s is listed twice", channel)
		}
	}
	switch bySample := strings.Contains(c.Files, "{id}"); {
	case c.Grid == nil && !bySample:
		ps.addf(file, line("files"), "files %q lacks {id}: every sample would have the same file", c.Files)
	case c.Grid != nil && bySample:
		ps.addf(file, line("files"),
			"files %q has {id}, but with a grid one image shows all samples of a package: use {package}", c.Files)
	case c.Grid != nil && !c.byPackage():
		ps.addf(file, line("files"), "files %q lacks {package}: every package would have the same file", c.Files)
	}
	if len(c.Channels) > 1 && !strings.Contains(c.Files, "{channel}") {
		ps.addf(file, line("files"), "files %q lacks {channel}: every channel would have the same file", c.Files)
	}
	for _, f := range []struct{ field, path string }{
		{"files", c.Files},
		{"labels", c.Labels},
		{"corrections", c.Corrections},
	} {
		if f.path != "" && !filepath.IsLocal(f.path) || f.path == "" && f.field != "corrections" {
			ps.addf(file, line(f.field), "%s %q is not a path inside the set's directory", f.field, f.path)
		}
	}
}

// byPackage reports whether a sample's package is needed to find its files.
func (c Config) byPackage() bool { return strings.Contains(c.Files, "{package}") }

// file returns the path of one channel of one sample, relative to the set.
func (c Config) file(sample Sample, channel string) string {
	placeholders := strings.NewReplacer("{id}", sample.ID, "{package}", sample.Package, "{channel}", channel)
	return filepath.FromSlash(placeholders.Replace(c.Files))
}

// unsafeName returns why a name from a file must not become part of a path, or "" for a safe name. The reason completes
// a sentence that starts with the name.
func unsafeName(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > maxName:
		return fmt.Sprintf("is longer than %d bytes", maxName)
	case strings.HasPrefix(name, "."):
		return "begins with a dot"
	case strings.ContainsAny(name, `/\`):
		return "contains a path separator"
	case strings.TrimSpace(name) != name:
		return "begins or ends with white space"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "contains a character that cannot be printed"
	}
	return ""
}

// yamlReason returns the line and the text of the YAML package's error. It drops the package's name and replaces the
// names of Go types by words that a user knows.
func yamlReason(err error) (line int, reason string) {
	text := err.Error()
	var typeError *yaml.TypeError
	if errors.As(err, &typeError) && len(typeError.Errors) > 0 {
		text = typeError.Errors[0]
	}
	text = strings.TrimPrefix(text, "yaml: ")
	if n, scanErr := fmt.Sscanf(text, "line %d:", &line); n == 1 && scanErr == nil {
		_, text, _ = strings.Cut(text, ": ")
	}
	return line, yamlWords.Replace(text)
}

var yamlWords = strings.NewReplacer(
	"!!", "",
	"uint16", "a whole number from 0 to 65535",
	"[]string", "a list of names",
	"cannot unmarshal", "cannot read",
	" into int", " as a whole number this large",
	" into ", " as ",
)
