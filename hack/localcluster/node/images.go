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

// Image is the local program that the node runs for an image, in the place of the image's
// ENTRYPOINT.
type Image struct {
	// Program is an absolute path.
	Program string `json:"program"`
	// Args come before the container's arguments, like the arguments of an ENTRYPOINT.
	Args []string `json:"args,omitempty"`
}

// ImagesFile returns the path of the file that maps image names to programs. The node reads
// the file whenever it starts a container, so a new image needs no restart.
func ImagesFile(c *cluster.Cluster) string { return c.Path("images.yaml") }

// ReadImages returns the images in the file by name: none if there is no file.
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
		return fmt.Errorf("image %s: %s cannot be executed: %w", name, program, err)
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

// SetImageFlag adds or replaces the image of a flag --image NAME=PROGRAM.
func SetImageFlag(c *cluster.Cluster, flag string) error {
	name, program, ok := strings.Cut(flag, "=")
	if !ok || name == "" || program == "" {
		return fmt.Errorf("--image %q: write NAME=PROGRAM, for example "+
			"plumbline.dev/trainer:dev=/path/to/plumbline-trainer", flag)
	}
	return SetImage(c, name, Image{Program: program})
}

// findImage returns the image with this name, or else the one with the name without tag and
// digest.
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

// commandLine returns the arguments to execute for a container. Without a command, the
// image's program runs. A command with the program's base name means that program, because
// the real image may have it in another directory. Any other command must be a program of
// this machine; one without a slash is looked up in path, the container's PATH.
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
			return nil, fmt.Errorf("exec: %q is neither the image's program (%s) nor a program of this machine",
				program, image.Program)
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

// lookPath returns the path of a program in the directories of path, the container's PATH,
// which is not that of this process.
func lookPath(program, path string) (string, error) {
	for _, dir := range filepath.SplitList(path) {
		full := filepath.Join(dir, program)
		if _, err := exec.LookPath(full); err == nil && filepath.IsAbs(full) {
			return full, nil
		}
	}
	return "", fmt.Errorf("exec: %q: not found in the container's PATH %s", program, path)
}
