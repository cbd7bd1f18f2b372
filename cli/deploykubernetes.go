package cli

import "github.com/spf13/cobra"

func newDeployKubernetes(std Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "kubernetes",
		Short: "Servers, queue, workers and autoscaler on a cluster of Kubernetes",
		Args:  none,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
}
