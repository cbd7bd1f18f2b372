package cli

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// awsCredentials are those that Amazon's own programs would use here: of the
// environment, a profile, a service account, a task or the machine's role. Nothing is
// looked for before somebody asks, and roles renew theirs.
func awsCredentials(region string) aws.CredentialsProvider {
	found := sync.OnceValues(func() (aws.CredentialsProvider, error) {
		// Not the asker's context: what is found serves all who ask later.
		c, err := config.LoadDefaultConfig(context.Background(), config.WithRegion(region))
		return c.Credentials, err
	})
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		chain, err := found()
		if err != nil {
			return aws.Credentials{}, err
		}
		return chain.Retrieve(ctx)
	})
}
