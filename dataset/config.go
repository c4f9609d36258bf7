// dataset.yaml: what a set is called, which channels it has and where its
// files lie. It is read by hand, node by node, so that every fault has its line
// and nothing unknown is passed over.

package dataset

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// ConfigFile is the name by which a directory is known to be a set.
const ConfigFile = "dataset.yaml"

// Config is what dataset.yaml says.
type Config struct {
	Name        string   `yaml:"name"`
	Channels    []string `yaml:"channels,flow"` // in the order in which the network sees them
	Files       string   `yaml:"files"`         // pattern with {id} or {package}, and {channel}, relative to the set
	Labels      string   `yaml:"labels"`        // relative to the set
	Corrections string   `yaml:"corrections,omitempty"`
	Range16     *Range16 `yaml:"range16,omitempty"` // nil: the set holds no 16-bit images
	Grid        *Grid    `yaml:"grid,omitempty"`    // nil: every sample has image files of its own
}

// Range16 says which part of 0..65535 a 16-bit image uses: Min becomes 0, Max
// becomes 255, what lies outside is cut. There is no default, because a 12-bit
// camera stretched over 16 bits would come out almost black without a word.
type Range16 struct {
	Min uint16 `yaml:"min"`
	Max uint16 `yaml:"max"`
}

const (
	defaultFiles     = "images/{channel}/{id}.png"
	defaultGridFiles = "images/{channel}/{package}.png"
	defaultLabels    = "labels.csv"
	maxChannels      = 64  // far above any camera; bounds what a set can ask for in memory
	maxName          = 128 // bytes of an id, channel or package
)

// parseConfig reads dataset.yaml's text. file is what problems call it.
func parseConfig(file string, text []byte) (Config, problems) {
	var ps problems
	var doc yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		ps.addf(file, 0, "is empty; it needs name and channels")
		return Config{}, ps
	case err != nil:
		// The package counts some of these lines from 0 and some from 1.
		line, reason := yamlReason(err)
		ps.addf(file, 0, "is not YAML, near line %d: %s", line, reason)
		return Config{}, ps
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		ps.addf(file, 0, "holds more than one YAML document; a set has one")
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		ps.addf(file, root.Line, "is not a list of `key: value` lines")
		return Config{}, ps
	}

	c := Config{Files: defaultFiles, Labels: defaultLabels}
	fields := map[string]any{"name": &c.Name, "channels": &c.Channels, "files": &c.Files, "labels": &c.Labels,
		"corrections": &c.Corrections, "range16": nil, "grid": nil}
	lines := readFields(file, root, fields, &ps)
	if node, ok := lines["range16"]; ok {
		c.Range16 = parseRange16(file, node, &ps)
	}
	if node, ok := lines["grid"]; ok {
		c.Grid = parseGrid(file, node, &ps)
		if lines["files"] == nil {
			c.Files = defaultGridFiles
		}
	}
	if len(ps) == 0 {
		c.check(file, func(field string) int {
			if node, ok := lines[field]; ok {
				return node.Line
			}
			return 0
		}, &ps)
	}
	return c, ps
}

// readFields decodes a mapping's values into the fields of those names (nil:
// leave it to the caller) and returns each value's node.
func readFields(file string, mapping *yaml.Node, fields map[string]any, ps *problems) map[string]*yaml.Node {
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		target, known := fields[key.Value]
		switch {
		case !known:
			names := make([]string, 0, len(fields))
			for name := range fields {
				names = append(names, name)
			}
			slices.Sort(names)
			ps.addf(file, key.Line, "unknown field %q; known are %s", key.Value, strings.Join(names, ", "))
			continue
		case seen[key.Value] != nil:
			ps.addf(file, key.Line, "%s is given twice, first in line %d", key.Value, seen[key.Value].Line)
			continue
		}
		seen[key.Value] = value
		if target == nil {
			continue
		}
		switch target.(type) {
		case *int, *uint16: // the package would cut 2.5 to 2
			if value.ShortTag() != "!!int" {
				ps.addf(file, value.Line, "%s: %s is not a whole number", key.Value, cmp.Or(value.Value, "this"))
				continue
			}
		}
		if err := value.Decode(target); err != nil {
			_, reason := yamlReason(err) // its line is within an alias, if there is one
			ps.addf(file, value.Line, "%s: %s", key.Value, reason)
		}
	}
	return seen
}

func parseRange16(file string, node *yaml.Node, ps *problems) *Range16 {
	if node.Kind != yaml.MappingNode {
		ps.addf(file, node.Line, "range16 needs min and max, as in {min: 0, max: 4095}")
		return nil
	}
	var r Range16
	seen := readFields(file, node, map[string]any{"min": &r.Min, "max": &r.Max}, ps)
	switch {
	case seen["min"] == nil || seen["max"] == nil:
		ps.addf(file, node.Line, "range16 needs both min and max, as in {min: 0, max: 4095}")
	case len(*ps) == 0 && r.Min >= r.Max:
		ps.addf(file, node.Line, "range16: min %d is not below max %d", r.Min, r.Max)
	}
	return &r
}

func (c Config) check(file string, line func(field string) int, ps *problems) {
	if c.Name == "" {
		ps.addf(file, line("name"), "name is missing")
	}
	if len(c.Channels) == 0 {
		ps.addf(file, line("channels"), "channels is missing; list them in the order in which the network sees them, as in [AM, GRAY]")
	}
	if len(c.Channels) > maxChannels {
		ps.addf(file, line("channels"), "%d channels are more than the %d that a set may have", len(c.Channels), maxChannels)
	}
	for i, channel := range c.Channels {
		if reason := unsafeName(channel); reason != "" {
			ps.addf(file, line("channels"), "channel %q %s", channel, reason)
		}
		if slices.Contains(c.Channels[:i], channel) {
			ps.addf(file, line("channels"), "channel %s is listed twice", channel)
		}
	}
	switch one := strings.Contains(c.Files, "{id}"); {
	case c.Grid == nil && !one:
		ps.addf(file, line("files"), "files %q lacks {id}: every sample would have the same file", c.Files)
	case c.Grid != nil && one:
		ps.addf(file, line("files"), "files %q has {id}, but with a grid one photograph shows all samples of a package", c.Files)
	case c.Grid != nil && !c.byPackage():
		ps.addf(file, line("files"), "files %q lacks {package}: every package would have the same file", c.Files)
	}
	if len(c.Channels) > 1 && !strings.Contains(c.Files, "{channel}") {
		ps.addf(file, line("files"), "files %q lacks {channel}: every channel would have the same file", c.Files)
	}
	for _, f := range []struct{ field, path string }{{"files", c.Files}, {"labels", c.Labels}, {"corrections", c.Corrections}} {
		if f.path != "" && !filepath.IsLocal(f.path) || f.path == "" && f.field != "corrections" {
			ps.addf(file, line(f.field), "%s %q is not a path inside the set", f.field, f.path)
		}
	}
}

// byPackage says whether a sample's files can only be found with its package.
func (c Config) byPackage() bool { return strings.Contains(c.Files, "{package}") }

// file is where one channel of one sample lies, relative to the set.
func (c Config) file(sample Sample, channel string) string {
	names := strings.NewReplacer("{id}", sample.ID, "{package}", sample.Package, "{channel}", channel)
	return filepath.FromSlash(names.Replace(c.Files))
}

// unsafeName says why a name from a file must not become part of a path; ""
// when it may.
func unsafeName(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > maxName:
		return fmt.Sprintf("is longer than %d bytes", maxName)
	case strings.HasPrefix(name, "."):
		return "begins with a dot"
	case strings.ContainsAny(name, `/\`):
		return "holds a path separator"
	case strings.TrimSpace(name) != name:
		return "begins or ends with a blank"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "holds a character that cannot be printed"
	}
	return ""
}

// yamlReason takes the line and the words out of the YAML package's error and
// leaves its name and Go's type names behind.
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
	text = strings.NewReplacer("!!", "", "uint16", "a whole number from 0 to 65535", "[]string", "a list of names", "cannot unmarshal", "cannot read", " into int", " as a whole number this large", " into ", " as ").Replace(text)
	return line, text
}
