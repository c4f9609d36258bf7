package node

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestImagesStandForPrograms(t *testing.T) {
	images := map[string]Image{
		"plumbline.dev/trainer:dev": {Program: "/b/trainer"},
		"localhost:5000/any":        {Program: "/b/any"},
	}
	for name, want := range map[string]string{
		"plumbline.dev/trainer:dev":       "/b/trainer",
		"plumbline.dev/trainer:v1":        "",
		"localhost:5000/any:v3":           "/b/any",
		"localhost:5000/any@sha256:00":    "/b/any",
		"localhost:5000/any:v3@sha256:00": "/b/any",
		"localhost:5000/other":            "",
	} {
		got, _ := findImage(images, name)
		if got.Program != want {
			t.Errorf("the program of image %s is %q, want %q", name, got.Program, want)
		}
	}
}

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	tool := filepath.Join(dir, "tool")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	image := Image{Program: "/b/trainer", Args: []string{"serve"}}
	for name, tc := range map[string]struct {
		command, args, want []string
		wantErr             string
	}{
		"no command: the image's entry point": {
			args: []string{"-v"},
			want: []string{"/b/trainer", "serve", "-v"},
		},
		"a command with the program's name, in another directory": {
			command: []string{"/usr/bin/trainer", "fit"},
			args:    []string{"x"},
			want:    []string{"/b/trainer", "fit", "x"},
		},
		"a program of this machine": {
			command: []string{tool},
			args:    []string{"x"},
			want:    []string{tool, "x"},
		},
		"a name is looked up in the container's PATH": {
			command: []string{"tool"},
			want:    []string{tool},
		},
		"a program that does not exist": {
			command: []string{"/manager"},
			wantErr: `exec: "/manager" is neither the image's program (/b/trainer) nor a program of this machine`,
		},
		"a name that is not in the PATH": {
			command: []string{"nope"},
			wantErr: `exec: "nope": not found in the container's PATH ` + dir,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := commandLine(image, tc.command, tc.args, dir)
			if tc.wantErr != "" {
				if err == nil || err.Error() != tc.wantErr {
					t.Errorf("error %v, want %s", err, tc.wantErr)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
				t.Errorf("command line (-want +got): %v\n%s", err, diff)
			}
		})
	}
}
