package node

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLocationsAreRewritten(t *testing.T) {
	mounts := newRewriter([]mount{
		{"/data", "/st/vol/data"},
		{"/data/raw", "/srv/raw"},
		{"/work", "/st/work/w"},
		{"/dev/termination-log", "/st/term"},
	})
	for name, tc := range map[string]struct{ in, want string }{
		"a whole argument":                              {"/data", "/st/vol/data"},
		"a file below":                                  {"/data/x/y.png", "/st/vol/data/x/y.png"},
		"after a flag's equals sign":                    {"--data=/data/x", "--data=/st/vol/data/x"},
		"the longest mount path wins":                   {"/data/raw/a", "/srv/raw/a"},
		"but only as a whole element":                   {"/data/rawer/a", "/st/vol/data/rawer/a"},
		"a longer name that begins the same":            {"/data-old /database /data.bak", "/data-old /database /data.bak"},
		"within another path":                           {"/mnt/data/x ./data x/data ../data", "/mnt/data/x ./data x/data ../data"},
		"a file URI":                                    {"file:///data/a", "file:///st/vol/data/a"},
		"an object store's URI":                         {"s3://data/a https://host/data", "s3://data/a https://host/data"},
		"JSON":                                          {`{"uri":"file:///data","out":"/data/raw","n":1}`, `{"uri":"file:///st/vol/data","out":"/srv/raw","n":1}`},
		"a list of directories":                         {"/bin:/data/bin:/work", "/bin:/st/vol/data/bin:/st/work/w"},
		"a shell line":                                  {"cat /data/a>/work/b;echo $(ls /data)", "cat /st/vol/data/a>/st/work/w/b;echo $(ls /st/vol/data)"},
		"the termination message's file":                {"/dev/termination-log", "/st/term"},
		"a real path that holds a mount path":           {"/work/data", "/st/work/w/data"},
		"a place holder":                                {"/data/{depth}/m", "/st/vol/data/{depth}/m"},
		"letters beyond ASCII are parts of names":       {"é/data /dataé", "é/data /dataé"},
		"nothing":                                       {"", ""},
		"a trailing slash":                              {"/data/", "/st/vol/data/"},
		"a comma between two":                           {"/data,/work", "/st/vol/data,/st/work/w"},
		"a double slash is another way to write it: no": {"//data", "//data"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, mounts.text(tc.in)); diff != "" {
				t.Errorf("rewritten (-want +got):\n%s", diff)
			}
		})
	}
}
