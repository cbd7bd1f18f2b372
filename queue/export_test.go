package queue

// SyncedLater returns a queue's configuration with which a power cut loses jobs.
func SyncedLater(cfg Config) Config {
	cfg.syncedLater = true
	return cfg
}
