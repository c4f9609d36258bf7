package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
)

// socketName is the name of the supervisor's socket in STATE/run. Only the owner can enter
// that directory.
const socketName = "supervisor.sock"

// withSocketPath calls use with a short path of the socket, which is valid until use
// returns. A socket's path may have 107 bytes at most, and the directories of tests are
// longer; so the path goes through a descriptor of the directory.
func withSocketPath[T any](c *cluster.Cluster, use func(path string) (T, error)) (T, error) {
	var none T
	dir, err := os.Open(c.Path("run"))
	if err != nil {
		return none, err
	}
	defer dir.Close()
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socketName))
}

// serve answers commands on the socket until ctx ends. The command /shutdown calls
// shutdown.
func (s *Supervisor) serve(ctx context.Context, shutdown func()) error {
	_ = os.Remove(s.cluster.Path("run", socketName)) // a killed supervisor leaves its socket
	l, err := withSocketPath(s.cluster, func(path string) (net.Listener, error) {
		l, err := net.Listen("unix", path)
		if err == nil {
			l.(*net.UnixListener).SetUnlinkOnClose(false) // the path is no longer valid by then
		}
		return l, err
	})
	if err != nil {
		return fmt.Errorf("listen for commands: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(s.status())
	})
	mux.HandleFunc("POST /start/{name}", reply(s.start))
	mux.HandleFunc("POST /stop/{name}", reply(s.stop))
	mux.HandleFunc("POST /shutdown", func(http.ResponseWriter, *http.Request) { shutdown() })
	server := &http.Server{Handler: mux}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve commands: %w", err)
	}
	return nil
}

// reply returns a handler that calls do with the component's name and answers with do's error.
func reply(do func(name string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := do(r.PathValue("name")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

// Client sends commands to a supervisor.
type Client struct {
	client *http.Client
}

// NewClient returns a client. It does not connect; the first command does.
func NewClient(c *cluster.Cluster) *Client {
	return &Client{client: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return withSocketPath(c, func(path string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", path)
			})
		},
	}}}
}

// Status returns the status of every component, in the order of Components.
func (c *Client) Status(ctx context.Context) ([]Status, error) {
	var all []Status
	body, err := c.do(ctx, http.MethodGet, "/status")
	if err != nil {
		return nil, err
	}
	return all, json.Unmarshal(body, &all)
}

// Start starts a component. It does nothing if the component runs.
func (c *Client) Start(ctx context.Context, name string) error {
	_, err := c.do(ctx, http.MethodPost, "/start/"+url.PathEscape(name))
	return err
}

// Stop ends a component and blocks until its process has ended. It does nothing if the
// component does not run.
func (c *Client) Stop(ctx context.Context, name string) error {
	_, err := c.do(ctx, http.MethodPost, "/stop/"+url.PathEscape(name))
	return err
}

// Shutdown asks the supervisor to end all components and itself. It returns before the
// supervisor has done so.
func (c *Client) Shutdown(ctx context.Context) error {
	_, err := c.do(ctx, http.MethodPost, "/shutdown")
	return err
}

func (c *Client) do(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://supervisor"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the supervisor: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("ask the supervisor: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(string(body))
	}
	return body, nil
}
