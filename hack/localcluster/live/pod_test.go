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

// podProgram is the program of the image "pod". The first argument says what to do.
func podProgram(args []string) error {
	switch args[0] {
	case "whoami": // writes the name that the API server knows the pod's service account by
		client, _, err := cluster.Client(os.Getenv("KUBECONFIG"))
		if err != nil {
			return err
		}
		reviews := client.AuthenticationV1().SelfSubjectReviews()
		who, err := reviews.Create(context.Background(), &authv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		return os.WriteFile(args[1], []byte(who.Status.UserInfo.Username), 0o600)
	case "obey": // on SIGTERM, ends with exit code 75 and a message, as a trainer does
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		if err := ready(args[1]); err != nil {
			return err
		}
		<-term
		select { // the node must send SIGTERM only once
		case <-term:
			return errors.New("SIGTERM came twice")
		case <-time.After(300 * time.Millisecond):
		}
		if err := os.WriteFile(args[2], []byte("checkpoint written"), 0o600); err != nil {
			return err
		}
		os.Exit(75)
	case "ignore": // ignores SIGTERM
		signal.Ignore(syscall.SIGTERM)
		if err := ready(args[1]); err != nil {
			return err
		}
		select {}
	case "escape": // starts a child in another session and keeps running
		child := exec.Command("/bin/sleep", "600")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			return err
		}
		if err := ready(args[1]); err != nil {
			return err
		}
		select {}
	case "await": // ends when a file holds a text
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
			time.Sleep(20 * time.Millisecond) // many programs poll their mounted files like this
		}
	}
	return fmt.Errorf("unknown arguments %q", args)
}

// ready makes the file that a readiness probe looks for.
func ready(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte("ready"), 0o600)
}
