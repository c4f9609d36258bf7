// Package golden compares output with the golden files in testdata. Reviewers read these files as a user would.
package golden
