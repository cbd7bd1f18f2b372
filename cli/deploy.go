package cli

import "github.com/spf13/cobra"

func newDeploy(std Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Put bcc onto Kubernetes or AWS",
		Args:  none,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDeployKubernetes(std), newDeployAWS(std))
	return cmd
}
