package natsd

import (
	"fmt"

	"github.com/nats-io/nats-server/v2/server"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
)

// Run serves until a signal ends the server; nats-server itself handles SIGTERM.
func Run(c *cluster.Cluster) error {
	opts, err := server.ProcessConfigFile(c.Path("nats", configFile))
	if err != nil {
		return fmt.Errorf("read the NATS configuration: %w", err)
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("make the NATS server: %w", err)
	}
	s.ConfigureLogger()
	if err := server.Run(s); err != nil {
		return fmt.Errorf("run the NATS server: %w", err)
	}
	s.WaitForShutdown()
	return nil
}
