package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bcc/fault"
)

// Check tells whether args, without the program's name, is a command line of bcc:
// the command is there, it has each flag, values are of their flag's kind, and there
// are no more arguments than it takes. Nothing is run, and nothing that must be given
// has to be. blank says which values stand for others (N, URL) and are not looked at;
// alternatives ("auto|none") are looked at one by one. Documents are held against it.
func Check(args []string, blank func(value string) bool) error {
	root := newRoot(Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	cmd, rest, err := checkWords(root, args, blank)
	if err != nil {
		return err
	}
	if len(rest) > 0 && cmd.Name() == "autoscale" { // behind -- stands what its workers are started with
		return Check(append([]string{"worker"}, rest...), blank)
	}
	return nil
}

// HasFlag tells whether any command of bcc has the flag, named without its dashes.
func HasFlag(name string) bool {
	found := false
	everyCommand(func(cmd *cobra.Command) { found = found || flagOf(cmd, name) != nil })
	return found
}

// Examples returns the examples that each command's help shows, by the command.
func Examples() map[string]string {
	all := map[string]string{}
	everyCommand(func(cmd *cobra.Command) {
		if cmd.Example != "" {
			all[cmd.CommandPath()] = cmd.Example
		}
	})
	return all
}

func everyCommand(do func(*cobra.Command)) {
	var look func(*cobra.Command)
	look = func(cmd *cobra.Command) {
		do(cmd)
		for _, sub := range cmd.Commands() {
			look(sub)
		}
	}
	look(newRoot(Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}))
}

// checkWords goes through args from left to right, as cobra does, and returns the
// command they name and what stands behind "--".
func checkWords(cmd *cobra.Command, args []string, blank func(string) bool) (*cobra.Command, []string, error) {
	var free []string // arguments that are no flags
	for i := 0; i < len(args); i++ {
		word := args[i]
		switch {
		case word == "--":
			return cmd, args[i+1:], checkFree(cmd, free)
		case strings.HasPrefix(word, "-") && word != "-":
			took, err := checkFlag(cmd, word, args[i+1:], blank)
			if err != nil {
				return cmd, nil, err
			}
			i += took
		case len(free) == 0 && subcommand(cmd, word) != nil:
			cmd = subcommand(cmd, word)
		case cmd.HasAvailableSubCommands() && !blank(word):
			return cmd, nil, fault.New(fault.Invalid, "%s has no command %q", cmd.CommandPath(), word)
		default:
			free = append(free, word)
		}
	}
	return cmd, nil, checkFree(cmd, free)
}

func checkFree(cmd *cobra.Command, free []string) error {
	if len(free) == 0 {
		return nil
	}
	return cmd.ValidateArgs(free)
}

// checkFlag returns how many of the words behind the flag are its value.
func checkFlag(cmd *cobra.Command, word string, rest []string, blank func(string) bool) (int, error) {
	name, value, given := strings.Cut(strings.TrimLeft(word, "-"), "=")
	f := flagOf(cmd, name)
	if !strings.HasPrefix(word, "--") {
		f = cmd.Flags().ShorthandLookup(name)
	}
	if f == nil {
		return 0, fault.New(fault.Invalid, "%s has no flag %s", cmd.CommandPath(), word)
	}
	took := 0
	if !given {
		if f.NoOptDefVal != "" {
			return 0, nil
		}
		if len(rest) == 0 {
			return 0, nil // named, not used
		}
		value, took = rest[0], 1
	}
	for one := range strings.SplitSeq(value, "|") {
		if blank(one) {
			continue
		}
		if err := f.Value.Set(one); err != nil {
			return took, fault.New(fault.Invalid, "%s --%s %s: %w", cmd.CommandPath(), f.Name, one, err)
		}
	}
	return took, nil
}

func flagOf(cmd *cobra.Command, name string) *pflag.Flag {
	cmd.InitDefaultHelpFlag()
	if f := cmd.Flags().Lookup(name); f != nil {
		return f
	}
	return cmd.InheritedFlags().Lookup(name)
}

func subcommand(cmd *cobra.Command, word string) *cobra.Command {
	for _, sub := range cmd.Commands() {
		if sub.Name() == word || sub.HasAlias(word) {
			return sub
		}
	}
	return nil
}
