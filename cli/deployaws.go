package cli

import "github.com/spf13/cobra"

func newDeployAWS(std Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "aws",
		Short: "Servers, buckets and groups of workers in an account of AWS",
		Args:  none,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
}
