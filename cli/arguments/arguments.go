package arguments

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Between wants between least and all of the named arguments, and says which are missing or too many.
func Between(least int, names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return fmt.Errorf("%s is missing", names[len(args)])
		case len(args) > len(names):
			return fmt.Errorf("%q is one argument too many", args[len(names)])
		}
		return nil
	}
}

// CompleteList completes the last part of a flag's value that is a list, such as 18,34, by what is not in it yet.
func CompleteList[T any](values []T) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) (proposals []string, _ cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		for _, v := range values {
			if v := fmt.Sprint(v); !slices.Contains(strings.Split(before, ","), v) {
				proposals = append(proposals, before+v)
			}
		}
		return proposals, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}
