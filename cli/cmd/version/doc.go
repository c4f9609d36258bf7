// Package version is `plumb version`: the versions of plumb, of the cluster, and of the API installed in it.
package version
