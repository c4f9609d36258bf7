// Package natsd runs the cluster's nats-server, in operator mode. Accounts and users are
// JWTs, signed with keys that the server never sees, as in production. That lets
// Plumbline's operator issue one credential per run. The "operator" in this package's
// files is NATS' word for the owner of the accounts, not Plumbline's operator.
package natsd
