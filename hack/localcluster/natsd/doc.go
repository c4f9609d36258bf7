// Package natsd is the cluster's message system: a nats-server in operator mode.
// Accounts and users are JWTs signed by keys that the server never sees, as in
// production, so that the operator can issue one credential per run.
package natsd
