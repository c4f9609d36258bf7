package dataset

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLabelsNamesEveryProblem(t *testing.T) {
	const head = "id,label,package,position\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"a spreadsheet's byte order mark and line ends": {"\ufeffid,label,package,position\r\ne1,normal,p1,1\r\n", nil},
		"no packages and no positions at all":           {head + "e1,normal,,\ne2,defect,,\n", nil},
		"columns in another order": {"id,package,label,position\ne1,p1,normal,1\n", []string{
			`labels.csv:1: the header is "id,package,label,position"; ` +
				`it must be "id,label,package,position", separated by commas`,
		}},
		"semicolons": {"id;label;package;position\n", []string{
			`labels.csv:1: the header is "id;label;package;position"; ` +
				`it must be "id,label,package,position", separated by commas`,
		}},
		"a line too short and one too long": {head + "e1,normal\ne2,normal,p1,2,hello\n", []string{
			"labels.csv:2: has 2 fields, but the header has 4 (id,label,package,position)",
			"labels.csv:3: has 5 fields, but the header has 4 (id,label,package,position)",
		}},
		"unknown labels": {head + "e1,Normal,p1,1\ne2,ok,p1,2\ne3,,p1,3\n", []string{
			`labels.csv:2: sample e1: label "Normal" is neither normal nor defect`,
			`labels.csv:3: sample e2: label "ok" is neither normal nor defect`,
			`labels.csv:4: sample e3: label "" is neither normal nor defect`,
		}},
		"the same id twice": {head + "e1,normal,p1,1\ne2,normal,p1,2\ne1,defect,p2,1\n", []string{
			"labels.csv:4: sample e1 is already in line 2",
		}},
		"ids that cannot be file names": {head +
			"../../etc/passwd,normal,p1,1\n" +
			"a/b,normal,p1,2\n" +
			",normal,p1,3\n" +
			"\"a\nb\",normal,p1,4\n", []string{
			`labels.csv:2: id "../../etc/passwd" begins with a dot`,
			`labels.csv:3: id "a/b" contains a path separator`,
			`labels.csv:4: id "" is empty`,
			`labels.csv:5: id "a\nb" contains a character that cannot be printed`,
		}},
		"some packages missing": {head + "e1,normal,p1,1\ne2,normal,,2\n", []string{
			"labels.csv:3: sample e2 names no package, but other samples do",
		}},
		"a position that is not a number": {head + "e1,normal,p1,first\ne2,normal,p1,-1\n", []string{
			`labels.csv:2: sample e1: position "first" is not a whole number, 0 or more`,
			`labels.csv:3: sample e2: position "-1" is not a whole number, 0 or more`,
		}},
		"a stray quote, and the rest is still read": {head + "e1,nor\"mal,p1,1\ne2,bad,p1,2\n", []string{
			`labels.csv:2: is not comma-separated text: bare " in non-quoted-field`,
			`labels.csv:3: sample e2: label "bad" is neither normal nor defect`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, ps := parseLabels("labels.csv", []byte(c.text))
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

func mustStayInside(t *testing.T, path string) {
	t.Helper()
	if !filepath.IsLocal(path) || strings.ContainsRune(path, 0) {
		t.Errorf("path %q leaves the set", path)
	}
}

func FuzzParseLabels(f *testing.F) {
	f.Add([]byte(sixSamples))
	f.Add([]byte("\ufeffid,label,package,position\r\n\"e1\",normal,,\r\n"))
	f.Add([]byte("id,label,package,position\n..,normal,p1,1\ne1,nor\"mal,p1,1\n\"e2,defect,p1,2\n"))
	f.Add([]byte("id,label,package,position\na,normal,p,1\nb,defect,p,1\nc,defect,p,7\nd,normal,..,2\ne,normal,p,\n"))
	config := Config{Channels: []string{"AM"}, Files: defaultFiles}
	byPackage := Config{Channels: []string{"AM"}, Files: defaultGridFiles, Grid: &Grid{Rows: 2, Columns: 3}}
	f.Fuzz(func(t *testing.T, text []byte) {
		samples, ps := parseLabels("labels.csv", text)
		if len(samples) == 0 && len(ps) == 0 {
			t.Error("there are no samples, and no problem says so")
		}
		lines := strings.Count(string(text), "\n") + 1
		seen := map[string]bool{}
		for _, s := range samples {
			mustStayInside(t, config.file(s, "AM"))
			if seen[s.ID] {
				t.Errorf("sample %q twice", s.ID)
			}
			seen[s.ID] = true
			if s.Line < 2 || s.Line > lines {
				t.Errorf("sample %q in line %d of %d", s.ID, s.Line, lines)
			}
		}
		fitting, found := byPackage.checkLayout("labels.csv", samples)
		if len(fitting) < len(samples) && len(found)+len(ps) == 0 {
			t.Error("samples were left out, and no problem says so")
		}
		cells := map[string]bool{}
		for _, s := range fitting {
			mustStayInside(t, byPackage.file(s, "AM"))
			cell := fmt.Sprintf("%s %d", s.Package, s.Position)
			if s.Package == "" || s.Position < 1 || s.Position > 6 || cells[cell] {
				t.Errorf("sample %q was accepted at %q", s.ID, cell)
			}
			cells[cell] = true
		}
	})
}
