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

// socketName lies in STATE/run, which only the owner may enter.
const socketName = "supervisor.sock"

// A socket's path may hold 107 bytes and test directories are longer, so both sides
// name it through a descriptor of its directory.
func withSocketPath[T any](c *cluster.Cluster, use func(path string) (T, error)) (T, error) {
	var none T
	dir, err := os.Open(c.Path("run"))
	if err != nil {
		return none, err
	}
	defer dir.Close()
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socketName))
}

// serve answers until ctx ends; shutdown is what the request of that name calls.
func (s *Supervisor) serve(ctx context.Context, shutdown func()) error {
	_ = os.Remove(s.cluster.Path("run", socketName)) // one that died left it
	l, err := withSocketPath(s.cluster, func(path string) (net.Listener, error) {
		l, err := net.Listen("unix", path)
		if err == nil {
			l.(*net.UnixListener).SetUnlinkOnClose(false) // the path is good only while dir is open
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

func reply(do func(name string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := do(r.PathValue("name")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

// Client asks a supervisor.
type Client struct {
	http *http.Client
}

// NewClient makes a client; whether anybody answers shows with the first question.
func NewClient(c *cluster.Cluster) *Client {
	return &Client{http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return withSocketPath(c, func(path string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", path)
			})
		},
	}}}
}

// Status lists the components.
func (c *Client) Status(ctx context.Context) ([]Status, error) {
	var all []Status
	body, err := c.do(ctx, http.MethodGet, "/status")
	if err != nil {
		return nil, err
	}
	return all, json.Unmarshal(body, &all)
}

// Start starts a component unless it runs.
func (c *Client) Start(ctx context.Context, name string) error {
	_, err := c.do(ctx, http.MethodPost, "/start/"+url.PathEscape(name))
	return err
}

// Stop ends a component if it runs and returns when it is gone.
func (c *Client) Stop(ctx context.Context, name string) error {
	_, err := c.do(ctx, http.MethodPost, "/stop/"+url.PathEscape(name))
	return err
}

// Shutdown asks the supervisor to end everything and itself; it does so after the answer.
func (c *Client) Shutdown(ctx context.Context) error {
	_, err := c.do(ctx, http.MethodPost, "/shutdown")
	return err
}

func (c *Client) do(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://supervisor"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
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
