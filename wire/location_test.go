package wire

import "testing"

func TestLocations(t *testing.T) {
	for name, test := range map[string]struct {
		uri, want string // want is empty if the uri is refused
	}{
		"a directory":      {"file:///data/erasers", "/data/erasers"},
		"a trailing slash": {"file:///data/erasers/", "/data/erasers"},
		"a space":          {"file:///data/my erasers", "/data/my erasers"},
		"a percent sign":   {"file:///data/100%20", "/data/100%20"},
		"an object store":  {"s3://bucket/erasers", ""},
		"a relative path":  {"file://data/erasers", ""},
		"a path alone":     {"/data/erasers", ""},
		"nothing":          {"", ""},
	} {
		got, err := LocalPath(test.uri)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: path %q, error %v, want %q", name, got, err, test.want)
		}
	}
	if got, err := LocalPath(LocalURI("/data/my erasers")); got != "/data/my erasers" || err != nil {
		t.Errorf("the path of a path's location is %q, error %v", got, err)
	}
}

func TestACheckpointsStorePathDoesNotDependOnTheMountPath(t *testing.T) {
	for uri, want := range map[string]string{
		"file:///checkpoints/u-1/d50/d50-a1-pod/best-e0007": "u-1/d50/d50-a1-pod/best-e0007",
		"file:///mnt/a/b/u-1/d50/d50-a1-pod/best-e0007/":    "u-1/d50/d50-a1-pod/best-e0007",
		"best-e0007": "",
		"file:///checkpoints/u-1/d50/../best-e0007":         "",
		"file:///checkpoints/u.1/d50/d50-a1-pod/best-e0007": "",
	} {
		if got, ok := StorePath(uri); got != want || ok != (want != "") {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
	}
}
