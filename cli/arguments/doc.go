// Package arguments checks how many arguments a verb is given, and completes values that are lists.
package arguments
