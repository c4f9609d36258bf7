package node

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMountPathsAreReplaced(t *testing.T) {
	mounts := newRewriter([]mount{
		{"/data", "/st/vol/data"},
		{"/data/raw", "/srv/raw"},
		{"/work", "/st/work/w"},
		{"/dev/termination-log", "/st/term"},
	})
	type test struct{ in, want string }
	unchanged := func(text string) test { return test{text, text} }
	for name, tc := range map[string]test{
		"a whole argument":                        {"/data", "/st/vol/data"},
		"a file below a mount path":               {"/data/x/y.png", "/st/vol/data/x/y.png"},
		"after a flag's equals sign":              {"--data=/data/x", "--data=/st/vol/data/x"},
		"the longest mount path wins":             {"/data/raw/a", "/srv/raw/a"},
		"but only as a whole element":             {"/data/rawer/a", "/st/vol/data/rawer/a"},
		"a file URI":                              {"file:///data/a", "file:///st/vol/data/a"},
		"an object store's URI":                   unchanged("s3://data/a https://host/data"),
		"a longer name that begins the same":      unchanged("/data-old /database /data.bak"),
		"within another path":                     unchanged("/mnt/data/x ./data x/data ../data"),
		"a list of directories":                   {"/bin:/data/bin:/work", "/bin:/st/vol/data/bin:/st/work/w"},
		"the termination message's file":          {"/dev/termination-log", "/st/term"},
		"a real path that holds a mount path":     {"/work/data", "/st/work/w/data"},
		"a placeholder":                           {"/data/{depth}/m", "/st/vol/data/{depth}/m"},
		"letters beyond ASCII are parts of names": unchanged("é/data /dataé"),
		"an empty text":                           unchanged(""),
		"a trailing slash":                        {"/data/", "/st/vol/data/"},
		"a comma between two paths":               {"/data,/work", "/st/vol/data,/st/work/w"},
		"a double slash begins no path":           unchanged("//data"),
		"JSON": {
			in:   `{"uri":"file:///data","out":"/data/raw","n":1}`,
			want: `{"uri":"file:///st/vol/data","out":"/srv/raw","n":1}`,
		},
		"a shell line": {
			in:   "cat /data/a>/work/b;echo $(ls /data)",
			want: "cat /st/vol/data/a>/st/work/w/b;echo $(ls /st/vol/data)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, mounts.text(tc.in)); diff != "" {
				t.Errorf("rewritten (-want +got):\n%s", diff)
			}
		})
	}
}
