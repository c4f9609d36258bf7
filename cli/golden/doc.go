// Package golden compares what is printed with files of testdata, which are read as prose.
package golden
