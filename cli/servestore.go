package cli

import (
	"context"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/blob"
)

// openStore opens where slides and results lie.
func (s *service) openStore(ctx context.Context, f *serveFlags) error {
	address := f.store
	if address == "" {
		address = filepath.Join(s.data, "store")
	}
	at, err := blob.Parse(address)
	if err != nil {
		return err
	}
	s.place = s.data
	switch {
	case at.Bucket != "":
		s.place += ", slides and results in s3://" + at.Bucket + "/" + at.Prefix
	case f.store != "":
		s.place += ", slides and results in " + at.Dir
	}
	store, err := f.sources.store(address, s.registry)
	if err != nil {
		return err
	}
	if s.store = store; at.Bucket == "" || f.shared() {
		return reach(ctx, store, address, s.log)
	}
	// In front of a bucket stands a folder for what it does not take at the moment.
	kept := blob.DefaultSpoolConfig()
	kept.Logger, kept.Registerer = s.log, s.registry
	spool, err := blob.NewSpool(store, filepath.Join(s.data, "spool"), kept)
	if err != nil {
		return err
	}
	s.store = spool
	s.sides = append(s.sides, spool.Run)
	s.degraded = append(s.degraded, spool.Degraded)
	return nil
}

// store opens the store at an address: a folder or a bucket.
func (f *sourceFlags) store(address string, registry prometheus.Registerer) (blob.Store, error) {
	at, err := blob.Parse(address)
	if err != nil {
		return nil, err
	}
	if at.Bucket == "" {
		store, err := blob.Folder(at.Dir)
		if err != nil {
			return nil, err // not a typed nil in an interface
		}
		return store, nil
	}
	access := f.s3()
	access.Bucket, access.Prefix, access.Registerer = at.Bucket, at.Prefix, registry
	store, err := blob.OpenS3(access)
	if err != nil {
		return nil, err
	}
	return store, nil
}

// s3 says how object storage is reached.
func (f *sourceFlags) s3() blob.S3Config {
	c := blob.DefaultS3Config()
	c.Endpoint, c.Region, c.PathStyle = f.endpoint, f.region, f.pathStyle
	c.AccessKey, c.SecretKey, c.SessionToken = s3Credentials()
	if f.role {
		c.Credentials = awsCredentials(f.region)
	}
	return c
}
