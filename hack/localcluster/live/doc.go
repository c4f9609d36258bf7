// Package live tests a whole cluster from outside: the program is started as people
// start it, and looked at through the API server, NATS and /proc. The tests need the
// built program; `make test` builds it and names it in PLUMBLINE_LOCALCLUSTER.
package live
