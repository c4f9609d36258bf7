// Package arguments checks the number of arguments of a verb, and completes the values of flags that are lists.
package arguments
