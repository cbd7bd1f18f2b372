package blobtest_test

import (
	"testing"

	"bcc/blob"
	"bcc/blob/blobtest"
)

func TestAStoreInMemory(t *testing.T) {
	t.Parallel()
	blobtest.Exercise(t, 300_000, func(*testing.T) blob.Store { return blobtest.NewMemory() })
}
