package cli

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
)

// awsCredentials are those that Amazon's own programs would use here: of the
// environment, a profile, a service account, a task or the machine's role. Nothing is
// looked for before somebody asks, and roles renew theirs.
func awsCredentials(region string) aws.CredentialsProvider {
	found := sync.OnceValues(func() (aws.CredentialsProvider, error) {
		// Not the asker's context: what is found serves all who ask later.
		// Nor what it would log: the error that is returned says as much.
		c, err := config.LoadDefaultConfig(context.Background(), config.WithRegion(region), config.WithLogger(logging.Nop{}))
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
