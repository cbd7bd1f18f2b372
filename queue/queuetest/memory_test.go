package queuetest_test

import (
	"testing"
	"time"

	"bcc/queue/queuetest"
)

func TestAQueueInMemory(t *testing.T) {
	t.Parallel()
	queuetest.Exercise(t, func(t *testing.T, lease time.Duration) queuetest.Queue {
		m := queuetest.NewMemory(lease)
		t.Cleanup(func() { m.Close() })
		return m
	})
}
