package node

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/kubernetes/pkg/probe"
	grpcprobe "k8s.io/kubernetes/pkg/probe/grpc"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"
	tcpprobe "k8s.io/kubernetes/pkg/probe/tcp"
)

// probe runs a container's probes until ctx ends: first the startup probe alone, until it
// succeeds, then the liveness and the readiness probe at the same time.
func (c *container) probe(ctx context.Context, p *process) {
	if s := c.spec.StartupProbe; s != nil {
		started := false
		c.repeat(ctx, s, "Startup", func(ok bool) bool {
			if !ok {
				c.killUnhealthy(p, s, "Startup")
				return false
			}
			started = true
			return false
		})
		if !started {
			return
		}
		c.setStatus(func(st *corev1.ContainerStatus) {
			st.Started = &started
			st.Ready = c.spec.ReadinessProbe == nil && !c.init
		})
	}
	if l := c.spec.LivenessProbe; l != nil {
		go c.repeat(ctx, l, "Liveness", func(ok bool) bool {
			if !ok {
				c.killUnhealthy(p, l, "Liveness")
			}
			return ok
		})
	}
	if r := c.spec.ReadinessProbe; r != nil {
		go c.repeat(ctx, r, "Readiness", func(ok bool) bool {
			c.setStatus(func(st *corev1.ContainerStatus) { st.Ready = ok && st.State.Running != nil })
			return true
		})
	}
}

// repeat runs one probe periodically until ctx ends or decide returns false. After each
// attempt with which the successes or the failures in a row have reached their threshold,
// repeat calls decide.
func (c *container) repeat(ctx context.Context, p *corev1.Probe, what string, decide func(ok bool) (more bool)) {
	wait := time.Duration(p.InitialDelaySeconds) * time.Second
	good, bad := int32(0), int32(0)
	for {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		wait = time.Duration(max(p.PeriodSeconds, 1)) * time.Second
		ok, output := c.attemptProbe(ctx, p)
		if ctx.Err() != nil {
			return
		}
		if ok {
			good, bad = good+1, 0
		} else {
			good, bad = 0, bad+1
			c.worker.event(corev1.EventTypeWarning, "Unhealthy",
				fmt.Sprintf("%s probe of container %s failed: %s", what, c.spec.Name, output))
		}
		if ok && good >= max(p.SuccessThreshold, 1) || bad >= max(p.FailureThreshold, 1) {
			if !decide(ok) {
				return
			}
		}
	}
}

// attemptProbe runs a probe once. output says what it found.
func (c *container) attemptProbe(ctx context.Context, p *corev1.Probe) (ok bool, output string) {
	limit := time.Duration(max(p.TimeoutSeconds, 1)) * time.Second
	var result probe.Result
	var err error
	switch {
	case p.HTTPGet != nil:
		req, reqErr := httpprobe.NewRequestForHTTPGetAction(p.HTTPGet, c.spec, loopback, "probe")
		if reqErr != nil {
			return false, reqErr.Error()
		}
		result, output, err = httpprobe.New(false).Probe(req, limit)
	case p.TCPSocket != nil:
		port, portErr := probe.ResolveContainerPort(p.TCPSocket.Port, c.spec)
		if portErr != nil {
			return false, portErr.Error()
		}
		result, output, err = tcpprobe.New().Probe(hostOr(p.TCPSocket.Host), port, limit)
	case p.GRPC != nil:
		port, portErr := probe.ResolveContainerPort(intstr.FromInt32(p.GRPC.Port), c.spec)
		if portErr != nil {
			return false, portErr.Error()
		}
		service := ""
		if p.GRPC.Service != nil {
			service = *p.GRPC.Service
		}
		result, output, err = grpcprobe.New().Probe(loopback, service, port, limit)
	case p.Exec != nil:
		return c.execProbe(ctx, p.Exec.Command, limit)
	default:
		return false, "the probe has no handler"
	}
	if err != nil {
		output = err.Error()
	}
	return err == nil && (result == probe.Success || result == probe.Warning), output
}

func (c *container) execProbe(ctx context.Context, command []string, limit time.Duration) (bool, string) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var out bytes.Buffer
	code, err := c.exec(ctx, command, nil, &out, &out)
	if err != nil {
		return false, err.Error()
	}
	return code == 0, strings.TrimSpace(out.String())
}

// killUnhealthy ends a process whose probe failed. The restart policy decides whether the
// container runs again.
func (c *container) killUnhealthy(p *process, failed *corev1.Probe, what string) {
	c.worker.event(corev1.EventTypeNormal, "Killing",
		fmt.Sprintf("Container %s failed its %s probe", c.spec.Name, strings.ToLower(what)))
	grace := graceOf(c.worker.current())
	if s := failed.TerminationGracePeriodSeconds; s != nil {
		grace = time.Duration(*s) * time.Second
	}
	p.terminate(grace)
}

func hostOr(host string) string {
	if host == "" {
		return loopback
	}
	return host
}
