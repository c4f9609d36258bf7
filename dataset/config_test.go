package dataset

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseConfig(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want Config
	}{
		"name and channels are enough": {
			text: "name: a\nchannels: [AM]\n",
			want: Config{Name: "a", Channels: []string{"AM"}, Files: defaultFiles, Labels: defaultLabels},
		},
		"all fields": {
			text: "name: a\nchannels: [AM, G]\nfiles: '{channel}/{id}.tif'\n" +
				"labels: l.csv\ncorrections: c.csv\nrange16: {min: 64, max: 4095}\n",
			want: Config{"a", []string{"AM", "G"}, "{channel}/{id}.tif", "l.csv", "c.csv", &Range16{64, 4095}, nil},
		},
		"one channel needs no {channel}": {
			text: "name: a\nchannels: [AM]\nfiles: '{id}.png'\n",
			want: Config{Name: "a", Channels: []string{"AM"}, Files: "{id}.png", Labels: defaultLabels},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, ps := parseConfig("dataset.yaml", []byte(c.text))
			if len(ps) > 0 {
				t.Fatal(ps)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseConfigNamesEveryProblem(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"empty": {"", []string{
			"dataset.yaml: is empty; it needs name and channels",
		}},
		"only comments": {"# nothing\n", []string{
			"dataset.yaml: is empty; it needs name and channels",
		}},
		"not a mapping": {"- a\n- b\n", []string{
			"dataset.yaml:1: must consist of `key: value` lines",
		}},
		"not YAML": {"name: a\nchannels: [AM\n", []string{
			"dataset.yaml: is not valid YAML, near line 1: did not find expected ',' or ']'",
		}},
		"two documents": {"name: a\nchannels: [AM]\n---\nname: b\n", []string{
			"dataset.yaml: holds more than one YAML document; it may hold only one",
		}},
		"an unknown field and a repeated one": {"name: a\nchanels: [AM]\nname: b\n", []string{
			`dataset.yaml:2: unknown field "chanels"; ` +
				`the known fields are channels, corrections, files, grid, labels, name, range16`,
			"dataset.yaml:3: name is given twice, first in line 1",
		}},
		"a wrong type": {"name: a\nchannels: AM\n", []string{
			"dataset.yaml:2: channels: cannot read str `AM` as a list of names",
		}},
		"missing fields": {"labels: l.csv\n", []string{
			"dataset.yaml: name is missing",
			"dataset.yaml: channels is missing; " +
				"list them in the order in which the network sees them, as in [AM, GRAY]",
		}},
		"paths outside the set": {"name: a\n" +
			"channels: [../x, AM, AM]\n" +
			"files: /etc/{channel}/{id}\n" +
			"labels: ../l.csv\n", []string{
			`dataset.yaml:2: channel "../x" begins with a dot`,
			"dataset.yaml:2: channel AM is listed twice",
			`dataset.yaml:3: files "/etc/{channel}/{id}" is not a path inside the set's directory`,
			`dataset.yaml:4: labels "../l.csv" is not a path inside the set's directory`,
		}},
		"a pattern that gives every image the same file": {"name: a\nchannels: [AM, G]\nfiles: x.png\n", []string{
			`dataset.yaml:3: files "x.png" lacks {id}: every sample would have the same file`,
			`dataset.yaml:3: files "x.png" lacks {channel}: every channel would have the same file`,
		}},
		"a range without a max": {"name: a\nchannels: [AM]\nrange16: {min: 4}\n", []string{
			"dataset.yaml:3: range16 needs both min and max, as in {min: 0, max: 4095}",
		}},
		"an empty range": {"name: a\nchannels: [AM]\nrange16: {min: 9, max: 9}\n", []string{
			"dataset.yaml:3: range16: min 9 is not below max 9",
		}},
		"a range beyond 16 bits": {"name: a\nchannels: [AM]\nrange16: {min: 0, max: 65536}\n", []string{
			"dataset.yaml:3: max: cannot read int `65536` as a whole number from 0 to 65535",
		}},
		"a range that is not of whole numbers": {"name: a\nchannels: [AM]\nrange16: {min: 0.5, max: all}\n", []string{
			"dataset.yaml:3: min: 0.5 is not a whole number",
			"dataset.yaml:3: max: all is not a whole number",
		}},
		"an alias of itself": {"name: a\nchannels: &a [*a]\n", []string{
			"dataset.yaml:2: channels: cannot read seq as string",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, ps := parseConfig("dataset.yaml", []byte(c.text))
			var got []string
			for _, p := range ps {
				got = append(got, p.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("name: a\nchannels: [AM, G]\nfiles: '{channel}/{id}.tif'\n" +
		"labels: l.csv\nrange16: {min: 64, max: 4095}\n"))
	f.Add([]byte("name: &n a\nchannels: &a [*a]\n"))
	f.Add([]byte("<<: {name: a}\nchannels: [..]\n"))
	f.Add([]byte("? [a]\n: b\n"))
	f.Add([]byte("name: a\nchannels: [AM]\ngrid: {rows: 3, columns: 5, margin: {left: 7, top: 2}}\n"))
	f.Add([]byte("name: a\nchannels: [AM]\nfiles: '{package}.png'\n" +
		"grid:\n  rows: 0x10\n  columns: 1e3\n  margin: {right: 32767}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, ps := parseConfig("dataset.yaml", text)
		if len(ps) > 0 {
			return
		}
		if c.Name == "" || len(c.Channels) == 0 || c.Range16 != nil && c.Range16.Min >= c.Range16.Max {
			t.Errorf("accepted %+v", c)
		}
		for _, channel := range c.Channels {
			mustStayInside(t, c.file(Sample{ID: "e1", Package: "p1"}, channel))
		}
		mustStayInside(t, c.Labels)
		if c.Grid == nil {
			return
		}
		p := &plane{width: 40, height: 30, pixels: make([]uint16, 40*30)}
		if c.Grid.misfit(p.shape()) != "" {
			return
		}
		area := 0
		for position := 1; position <= c.Grid.Cells(); position++ {
			cell := c.Grid.cut(p, position)
			if cell.width < 1 || cell.height < 1 || len(cell.pixels) != cell.width*cell.height {
				t.Fatalf("cell %d of %+v is %d x %d pixels in %d values",
					position, c.Grid, cell.width, cell.height, len(cell.pixels))
			}
			area += len(cell.pixels)
		}
		if m := c.Grid.Margin; area != (40-m.Left-m.Right)*(30-m.Top-m.Bottom) {
			t.Errorf("the cells of %+v have %d pixels in all", c.Grid, area)
		}
	})
}
