package ingest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"k8s.io/apimachinery/pkg/types"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

// Options say how to reach the stream, and how much the stream keeps.
type Options struct {
	URL        string      // of NATS, such as nats://plumbline-nats:4222
	Credential nats.Option // with which the operator signs in
	TLS        *tls.Config // nil: TLS if the URL asks for it, with the system's authorities
	Inbox      string      // prefix of the operator's own inboxes
	MaxAge     time.Duration
	MaxBytes   int64
	Replicas   int // of the stream; 0 means 1

	// Runs lists the runs that have not ended. It reads the API server itself, because a cache may be older than the
	// reports.
	Runs func(context.Context) ([]api.TrainingRun, error)
}

func (o Options) unreachable() string { return "NATS at " + o.URL + " cannot be reached" }

// describe says why the stream cannot be read, and what to do. The text stays the same as long as the problem does,
// because the status shows it: with a text that changed at each attempt, the status of every run would be written at
// each attempt.
func (o Options) describe(err error) string {
	var refusal *jetstream.APIError
	var unknown x509.UnknownAuthorityError
	var otherHost x509.HostnameError
	var invalid x509.CertificateInvalidError
	server := "NATS at " + o.URL
	switch {
	case errors.As(err, &unknown) && o.TLS == nil:
		return server + " has a certificate from an authority that this system does not know: name the authority's " +
			"PEM file in --nats-ca"
	case errors.As(err, &unknown):
		return server + " has a certificate that the authority in --nats-ca did not sign: if the authority was " +
			"replaced, restart the operator with the new one's PEM file"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired: // The error's own text contains the current time.
		return server + " has a certificate that has expired or is not valid yet: replace the certificate"
	case errors.As(err, &invalid):
		return fmt.Sprintf("%s has a certificate that is not valid: %v", server, invalid)
	case errors.As(err, &otherHost):
		return fmt.Sprintf("%s has a certificate for another address: %v", server, otherHost)
	case errors.Is(err, nats.ErrSecureConnWanted):
		return server + " does not speak TLS, but --nats-url or --nats-ca asks for TLS"
	case errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAuthExpired):
		return server + " refuses the operator's credential, because it was revoked or has expired: restart the " +
			"operator, and it signs a new credential"
	case errors.Is(err, nats.ErrAccountAuthExpired):
		return server + " refuses the operator, because the NATS account has expired: give the server a new JWT " +
			"for the account"
	case errors.Is(err, nats.ErrAuthorization):
		// A server that has not accepted the credential before gives no other reason, even if the credential was
		// revoked.
		return server + " refuses the operator's credential: --nats-signing-key and --nats-account must be of the " +
			"account that the server knows; if they are, the credential was revoked after the operator started: " +
			"restart the operator, and it signs a new credential"
	case errors.Is(err, nats.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrJetStreamNotEnabledForAccount):
		return server + " offers no JetStream to the account: the account's JWT needs JetStream limits, and the " +
			"server needs a JetStream store"
	case errors.As(err, &refusal):
		return fmt.Sprintf("%s refuses the stream %s: %s", server, wire.Stream, refusal.Description)
	default:
		return o.unreachable()
	}
}

// config returns the stream's configuration. The stream is on disk, and it drops messages by age and size, whether or
// not somebody has read them.
func (o Options) config() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        wire.Stream,
		Description: "Reports of Plumbline's trials",
		Subjects:    []string{wire.StreamSubjects},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		Discard:     jetstream.DiscardOld,
		MaxAge:      o.MaxAge,
		MaxBytes:    o.MaxBytes,
		MaxMsgSize:  wire.MaxReportBytes + 4<<10, // 4 KiB for the headers
		Replicas:    max(1, o.Replicas),
	}
}

// connect returns a connection that reconnects for ever, also to a server that has not started yet. It calls disturbed
// whenever the connection is lost or established.
func (o Options) connect(disturbed func(), log logr.Logger) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("plumbline-operator"), nats.CustomInboxPrefix(o.Inbox), o.Credential,
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(time.Second),
		nats.IgnoreAuthErrorAbort(), // a refused credential is tried again as well
		nats.ReconnectBufSize(-1),   // a request without a connection fails at once, instead of being buffered
		nats.DisconnectErrHandler(func(*nats.Conn, error) { disturbed() }),
		nats.ConnectHandler(func(*nats.Conn) { disturbed() }),
		nats.ReconnectHandler(func(*nats.Conn) { disturbed() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Error(err, "NATS") }),
	}
	if o.TLS != nil {
		options = append(options, nats.Secure(o.TLS))
	}
	nc, err := nats.Connect(o.URL, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", o.URL, err)
	}
	return nc, nil
}

// identity returns what distinguishes a stream from another one of the same name: its creation time.
func identity(info *jetstream.StreamInfo) string { return info.Created.UTC().Format(time.RFC3339Nano) }

// Drained reports whether every report of a run that the stream holds by now has been read. If the stream is not being
// read, or was replaced, Drained returns false. An error means that the answer is not known.
func (g *Ingest) Drained(ctx context.Context, uid types.UID) (bool, error) {
	g.mu.Lock()
	stream, handle := g.stream, g.handle
	g.mu.Unlock()
	if !stream.Connected || !stream.Current || handle == nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := handle.Info(ctx)
	if err != nil {
		return false, fmt.Errorf("read the state of the stream %s: %w", wire.Stream, err)
	}
	if identity(info) != stream.ID {
		return false, nil
	}
	last, err := handle.GetLastMsgForSubject(ctx, wire.RunSubjects(string(uid)))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("find the last report of run %s: %w", uid, err)
	}
	return int64(last.Sequence) < g.Stream().Next, nil
}
