package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
)

// Image is the local program that stands for an image: its entry point.
type Image struct {
	// Program is an absolute path.
	Program string `json:"program"`
	// Args come before the container's own, as an image's ENTRYPOINT may have them.
	Args []string `json:"args,omitempty"`
}

// ImagesFile maps image names to programs. It is read anew whenever a container
// starts, so that a rebuilt program or a new image needs no restart.
func ImagesFile(c *cluster.Cluster) string { return c.Path("images.yaml") }

// ReadImages reads the file; where there is none, there are no images.
func ReadImages(c *cluster.Cluster) (map[string]Image, error) {
	b, err := os.ReadFile(ImagesFile(c))
	if errors.Is(err, os.ErrNotExist) {
		return map[string]Image{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the images: %w", err)
	}
	images := map[string]Image{}
	if err := yaml.UnmarshalStrict(b, &images); err != nil {
		return nil, fmt.Errorf("read %s: %w", ImagesFile(c), err)
	}
	return images, nil
}

// SetImage adds or replaces one image.
func SetImage(c *cluster.Cluster, name string, image Image) error {
	program, err := filepath.Abs(image.Program)
	if err != nil {
		return err
	}
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("image %s: %s is no program that can be run: %w", name, program, err)
	}
	image.Program = program
	images, err := ReadImages(c)
	if err != nil {
		return err
	}
	images[name] = image
	b, err := yaml.Marshal(images)
	if err != nil {
		return err
	}
	return cluster.WriteFile(ImagesFile(c), b)
}

// SetImageFlag takes NAME=PROGRAM.
func SetImageFlag(c *cluster.Cluster, flag string) error {
	name, program, ok := strings.Cut(flag, "=")
	if !ok || name == "" || program == "" {
		return fmt.Errorf("--image %q: write NAME=PROGRAM, for example plumbline.dev/trainer:dev=/path/to/plumbline-trainer", flag)
	}
	return SetImage(c, name, Image{Program: program})
}

// findImage looks for the full name first, then for the name without tag and digest.
func findImage(images map[string]Image, name string) (Image, bool) {
	if i, ok := images[name]; ok {
		return i, true
	}
	bare, _, _ := strings.Cut(name, "@")
	if colon := strings.LastIndex(bare, ":"); colon > strings.LastIndex(bare, "/") {
		bare = bare[:colon]
	}
	i, ok := images[bare]
	return i, ok
}

// commandLine is what to execute for a container. Without a command, the image's
// program runs. A command whose last element is the program's own name means that
// program, wherever the real image keeps it; any other is looked for on this machine.
func commandLine(image Image, command, args []string, path string) ([]string, error) {
	if len(command) == 0 {
		return append(append([]string{image.Program}, image.Args...), args...), nil
	}
	program := command[0]
	switch {
	case filepath.Base(program) == filepath.Base(image.Program):
		program = image.Program
	case filepath.IsAbs(program):
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("exec: %q: not found: it is neither the image's program (%s) nor a program of this machine", program, image.Program)
		}
	default:
		found, err := lookPath(program, path)
		if err != nil {
			return nil, err
		}
		program = found
	}
	return append(append([]string{program}, command[1:]...), args...), nil
}

// lookPath searches the container's PATH, not that of the cluster.
func lookPath(program, path string) (string, error) {
	for _, dir := range filepath.SplitList(path) {
		full := filepath.Join(dir, program)
		if _, err := exec.LookPath(full); err == nil && filepath.IsAbs(full) {
			return full, nil
		}
	}
	return "", fmt.Errorf("exec: %q: not found in the container's PATH %s", program, path)
}
