// Package version is `plumb version`, which prints the versions of plumb, of the cluster, and of the API installed in
// it.
package version
