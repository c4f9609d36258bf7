package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/errdefs"
	"github.com/virtual-kubelet/virtual-kubelet/node/api"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilexec "k8s.io/client-go/util/exec"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-client/pkg/logs"
	"k8s.io/klog/v2"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
)

// serve answers requests for logs, exec, port-forward and health, in the background, until
// ctx ends. It answers only the API server.
func (n *Node) serve(ctx context.Context) error {
	ca, err := os.ReadFile(n.cluster.Cert("ca"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	pair, err := tls.LoadX509KeyPair(n.cluster.Cert("kubelet"), n.cluster.Key("kubelet"))
	if err != nil {
		return fmt.Errorf("read the node's certificate: %w", err)
	}
	pods := api.PodHandler(api.PodHandlerConfig{
		GetContainerLogs:      n.containerLogs,
		RunInContainer:        n.execInContainer,
		AttachToContainer:     refuseAttach,
		PortForward:           portForward,
		GetPods:               func(context.Context) ([]*corev1.Pod, error) { return n.activePods(), nil },
		GetPodsFromKubernetes: func(context.Context) ([]*corev1.Pod, error) { return n.activePods(), nil },
		StreamIdleTimeout:     4 * time.Hour,
		StreamCreationTimeout: 30 * time.Second,
	}, false)
	mux := http.NewServeMux()
	mux.Handle("/", pods)
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !n.synced.Load() {
			http.Error(w, "the node has not read its pods yet", http.StatusServiceUnavailable)
		}
	})
	l, err := tls.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", n.cluster.Config.Ports.Kubelet), &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert,
	})
	if err != nil {
		return fmt.Errorf("listen for the API server: %w", err)
	}
	server := &http.Server{
		Handler:           onlyAPIServer(mux),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			n.log.Error("serve the API server", "err", err)
		}
	}()
	return nil
}

// onlyAPIServer refuses every caller but the API server. The caller's certificate is valid
// already; but all components have certificates of the same authority, and only the API
// server checks what a user may do.
func onlyAPIServer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.PeerCertificates[0].Subject.CommonName != cluster.KubeletClientName {
			http.Error(w, "only the API server may call this node", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// containerLogs returns the log of a container's last run, or with o.Previous that of the
// run before.
func (n *Node) containerLogs(
	ctx context.Context, namespace, pod, name string, o api.ContainerLogOpts,
) (io.ReadCloser, error) {
	w := n.find(namespace, pod)
	if w == nil {
		return nil, errdefs.NotFoundf("pod %s/%s is not on this node", namespace, pod)
	}
	dir := containerDir(w.dir, name)
	run, err := logRun(dir, o.Previous)
	if err != nil {
		return nil, err
	}
	r, out := io.Pipe()
	opts := logs.NewLogOptions(logOptions(o), time.Now())
	go func() {
		logger := klog.Background()
		err := logs.ReadLogs(ctx, &logger, logPath(dir, run), name, opts, runState{w: w, run: run}, out, out)
		out.CloseWithError(err)
	}()
	return r, nil
}

// logRun returns the number of the last run that has a log in dir, or of the run before.
func logRun(dir string, previous bool) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	last := -1
	for _, e := range entries {
		number, isLog := strings.CutSuffix(e.Name(), ".log")
		if run, err := strconv.Atoi(number); isLog && err == nil {
			last = max(last, run)
		}
	}
	switch {
	case last < 0:
		return 0, errdefs.NotFound("the container has not started yet")
	case previous && last == 0:
		return 0, errdefs.NotFound("the container has not been restarted, so there is no previous log")
	case previous:
		return last - 1, nil
	}
	return last, nil
}

func logOptions(o api.ContainerLogOpts) *corev1.PodLogOptions {
	out := &corev1.PodLogOptions{Follow: o.Follow, Timestamps: o.Timestamps}
	if o.Tail > 0 {
		tail := int64(o.Tail)
		out.TailLines = &tail
	}
	if o.LimitBytes > 0 {
		limit := int64(o.LimitBytes)
		out.LimitBytes = &limit
	}
	if o.SinceSeconds > 0 {
		since := int64(o.SinceSeconds)
		out.SinceSeconds = &since
	}
	if !o.SinceTime.IsZero() {
		since := metav1.NewTime(o.SinceTime)
		out.SinceTime = &since
	}
	return out
}

// runState is the container runtime that the log reader gets. The reader asks it one thing:
// whether the run whose log it follows is still running.
type runState struct {
	internalapi.RuntimeService
	w   *worker
	run int
}

func (s runState) ContainerStatus(_ context.Context, name string, _ bool) (*runtimeapi.ContainerStatusResponse, error) {
	state := runtimeapi.ContainerState_CONTAINER_EXITED
	for _, c := range s.w.containers {
		if c.spec.Name == name && c.writing.Load() == int64(s.run)+1 {
			state = runtimeapi.ContainerState_CONTAINER_RUNNING
		}
	}
	return &runtimeapi.ContainerStatusResponse{Status: &runtimeapi.ContainerStatus{State: state}}, nil
}

// execInContainer runs a command with the container's environment, working directory and
// mount paths. A container of this node has nothing else that the command could enter.
func (n *Node) execInContainer(
	ctx context.Context, namespace, pod, name string, command []string, attach api.AttachIO,
) error {
	if attach.TTY() {
		return errors.New("this node has no terminals: leave out -t")
	}
	w := n.find(namespace, pod)
	if w == nil {
		return errdefs.NotFoundf("pod %s/%s is not on this node", namespace, pod)
	}
	for _, c := range w.containers {
		if c.spec.Name != name {
			continue
		}
		code, err := c.exec(ctx, command, attach.Stdin(), attach.Stdout(), attach.Stderr())
		if err == nil && code != 0 {
			err = utilexec.CodeExitError{
				Err:  fmt.Errorf("command terminated with exit code %d", code),
				Code: int(code),
			}
		}
		return err
	}
	return errdefs.NotFoundf("pod %s/%s has no container %s", namespace, pod, name)
}

// exec runs a command beside the container's program and returns the command's exit code.
func (c *container) exec(
	ctx context.Context, command []string, stdin io.Reader, stdout, stderr io.Writer,
) (int32, error) {
	prog := c.program.Load()
	if prog == nil || c.process() == nil {
		return 0, fmt.Errorf("container %s is not running", c.spec.Name)
	}
	argv, err := commandLine(Image{Program: prog.argv[0]}, c.rewrite.texts(command), nil, prog.path())
	if err != nil {
		return 0, err
	}
	beside := *prog
	beside.argv = argv
	return beside.run(ctx, c.worker.node.parent, stdin, stdout, stderr)
}

func refuseAttach(context.Context, string, string, string, api.AttachIO) error {
	return errors.New("this node does not support attach, because its containers have no stdin; use logs -f")
}

// portForward connects a stream to a port of this machine, where every pod listens.
func portForward(ctx context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(loopback, fmt.Sprint(port)))
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	go func() {
		_, _ = io.Copy(conn, stream)
		if t, ok := conn.(*net.TCPConn); ok {
			_ = t.CloseWrite()
		}
	}()
	_, err = io.Copy(stream, conn)
	return err
}
