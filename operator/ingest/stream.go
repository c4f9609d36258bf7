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

// Options say where the stream is and how it is kept.
type Options struct {
	URL        string
	Credential nats.Option // signs the operator in
	TLS        *tls.Config // nil: as the URL says, with the system's authorities
	Inbox      string      // prefix of the operator's own inboxes
	MaxAge     time.Duration
	MaxBytes   int64
	Replicas   int

	// Runs lists the runs that have not ended, from the API server itself: what a cache has may be older than the
	// reports.
	Runs func(context.Context) ([]api.TrainingRun, error)
}

func (o Options) unreachable() string { return "NATS at " + o.URL + " cannot be reached" }

// describe says in words that stay the same while the problem does.
func (o Options) describe(err error) string {
	var refusal *jetstream.APIError
	var unknown x509.UnknownAuthorityError
	var other x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown) && o.TLS == nil:
		return "NATS at " + o.URL + " has a certificate of an authority that this system does not know: give its PEM file in --nats-ca"
	case errors.As(err, &unknown):
		return "NATS at " + o.URL + " has a certificate that the authority in --nats-ca did not sign: if it was replaced, restart the operator with the new one"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired: // the error itself tells the time
		return "NATS at " + o.URL + " has a certificate that has expired or is not valid yet"
	case errors.As(err, &invalid):
		return fmt.Sprintf("NATS at %s has a certificate that is not good: %v", o.URL, invalid)
	case errors.As(err, &other):
		return fmt.Sprintf("NATS at %s has a certificate that is not good: %v", o.URL, other)
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "NATS at " + o.URL + " does not speak TLS, and --nats-url or --nats-ca asks for it"
	case errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAuthExpired):
		return "NATS at " + o.URL + " refuses the operator's credential, which was revoked or has expired: restart the operator, which signs another when it starts"
	case errors.Is(err, nats.ErrAccountAuthExpired):
		return "NATS at " + o.URL + " refuses the operator, because its account has expired there: the account needs another JWT"
	case errors.Is(err, nats.ErrAuthorization): // all that a server tells whom it has not let in before, also of revocation
		return "NATS at " + o.URL + " refuses the operator's credential: --nats-signing-key and --nats-account must be of the account that the server knows; if they are, credentials were revoked since the operator was started, and it signs another when it is restarted"
	case errors.Is(err, nats.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrJetStreamNotEnabledForAccount):
		return "NATS at " + o.URL + " has no JetStream for the account: its JWT needs JetStream limits, and the server a store"
	case errors.As(err, &refusal):
		return fmt.Sprintf("NATS at %s refuses the stream %s: %s", o.URL, wire.Stream, refusal.Description)
	default:
		return o.unreachable()
	}
}

// config is the stream's: on disk, kept by age and size and not by who has read it.
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
		MaxMsgSize:  wire.MaxReportBytes + 4<<10, // and headers
		Replicas:    max(1, o.Replicas),
	}
}

// connect keeps one connection for ever; a server that is not there yet is one that is away.
func (o Options) connect(disturbed func(), log logr.Logger) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("plumbline-operator"), nats.CustomInboxPrefix(o.Inbox), o.Credential,
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(time.Second), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectBufSize(-1), // a request to a server that is away fails instead of waiting
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

// identity tells a stream from another one of the same name.
func identity(info *jetstream.StreamInfo) string { return info.Created.UTC().Format(time.RFC3339Nano) }

// Drained says whether everything that the stream holds of a run by now has been read. An error means that it is not
// known.
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
		return false, fmt.Errorf("ask for the stream %s: %w", wire.Stream, err)
	}
	if identity(info) != stream.ID {
		return false, nil
	}
	last, err := handle.GetLastMsgForSubject(ctx, wire.RunSubjects(string(uid)))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask for the last report of run %s: %w", uid, err)
	}
	return int64(last.Sequence) < g.Stream().Next, nil
}
