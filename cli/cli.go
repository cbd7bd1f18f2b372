// Package cli is the command line: one file a command, which reads flags, wires
// the rooms together, runs them and closes them. It is the only room that knows
// every other one, native code included, and the only one that reads the
// environment.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"bcc/fault"
)

// Streams are the program's standard streams.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Run runs the command line args and returns the exit code of fault's table.
// When ctx ends, the command stops within a second.
func Run(ctx context.Context, args []string, std Streams) int {
	root := newRoot(std)
	root.SetArgs(args)
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(std.Err, "bcc: stopped")
		return exitInterrupted
	}
	err = inUse(err)
	printError(std.Err, err)
	return fault.Exit(err)
}

// exitInterrupted is what shells expect of a program that SIGINT ended: 128 + 2.
const exitInterrupted = 130

func newRoot(std Streams) *cobra.Command {
	var profile profiler
	root := &cobra.Command{
		Use:   "bcc",
		Short: "Finds basal cell carcinoma on whole-slide images",
		Long: `bcc finds basal cell carcinoma (BCC) on whole-slide images.

It is a research tool: nothing it prints is a diagnosis. The models that come
with it have never seen a patient's BCC; their cards say what they are.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnvironment(cmd); err != nil {
				return err
			}
			return profile.start()
		},
		PersistentPostRunE: func(*cobra.Command, []string) error { return profile.stop() },
		Args:               cobra.NoArgs,
		RunE:               func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringVar(&profile.path, "cpuprofile", "", "write a CPU profile for go tool pprof to this file")
	_ = root.PersistentFlags().MarkHidden("cpuprofile") // for developers
	root.CompletionOptions.HiddenDefaultCmd = true
	fitHelp(root, std.Out)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fault.Hint(fault.New(fault.Invalid, "%w", err), "%s --help lists the flags", cmd.CommandPath())
	})
	root.AddCommand(
		newDetect(std),
		newSynth(std),
		newEmbed(std),
		newModel(std),
		newTrain(std),
		newEvaluate(std),
		newServe(std),
		newWorker(std),
		newSubmit(std),
		newStatus(std),
		newCap(std),
		newCancel(std),
		newRetry(std),
		newRepair(std),
		newBalance(std),
		newAutoscale(std),
		newSimulate(std),
		newPlan(std),
		newResources(std),
		newHealth(std),
		newBench(std),
		newVersion(std),
		newDecode(),
	)
	return root
}

// wants returns an argument check that says in words what is missing.
func wants(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fault.Hint(fault.New(fault.Invalid, "%s: no %s given", cmd.CommandPath(), what), "%s", cmd.UseLine())
		}
		return nil
	}
}

// none refuses arguments that a command does not take.
func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fault.Hint(fault.New(fault.Invalid, "%s: unexpected %q", cmd.CommandPath(), args[0]), "%s", cmd.UseLine())
	}
	return nil
}
