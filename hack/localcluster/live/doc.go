// Package live tests a whole cluster from outside. The tests start the program as people
// do, and observe it through the API server, NATS and /proc. They need the built program:
// `make test` builds it and passes its path in PLUMBLINE_LOCALCLUSTER.
package live
