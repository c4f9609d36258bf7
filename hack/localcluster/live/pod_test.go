package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
)

// podProgram is what the image "pod" stands for: one small deed a word.
func podProgram(args []string) error {
	switch args[0] {
	case "whoami": // as the service account whose KUBECONFIG the node gave
		client, _, err := cluster.Client(os.Getenv("KUBECONFIG"))
		if err != nil {
			return err
		}
		who, err := client.AuthenticationV1().SelfSubjectReviews().Create(context.Background(), &authv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		return os.WriteFile(args[1], []byte(who.Status.UserInfo.Username), 0o600)
	case "obey": // ends on SIGTERM with 75 and a last word, as a trainer does
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		if err := ready(args[1]); err != nil {
			return err
		}
		<-term
		select { // told once is told: a second time would be impatience
		case <-term:
			return errors.New("SIGTERM came twice")
		case <-time.After(300 * time.Millisecond):
		}
		if err := os.WriteFile(args[2], []byte("checkpoint written"), 0o600); err != nil {
			return err
		}
		os.Exit(75)
	case "ignore": // does not end on SIGTERM
		signal.Ignore(syscall.SIGTERM)
		if err := ready(args[1]); err != nil {
			return err
		}
		select {}
	case "escape": // leaves a child in a session of its own, then goes on
		child := exec.Command("/bin/sleep", "600")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			return err
		}
		if err := ready(args[1]); err != nil {
			return err
		}
		select {}
	case "await": // until a file holds a text
		for {
			b, err := os.ReadFile(args[1])
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			if strings.TrimSpace(string(b)) == args[2] {
				return nil
			}
			if args[2] != "ready" {
				if err := ready(args[3]); err != nil {
					return err
				}
			}
			time.Sleep(20 * time.Millisecond) // a program that polls, as programs do
		}
	}
	return fmt.Errorf("what is %q?", args)
}

// ready makes the file that a readiness probe looks for.
func ready(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte("ready"), 0o600)
}
