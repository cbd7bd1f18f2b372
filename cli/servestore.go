package cli

import (
	"path/filepath"

	"bcc/blob"
)

// openStore opens where slides and results lie. In front of a bucket stands a folder
// for what it does not take at the moment.
func (s *service) openStore(f *serveFlags) error {
	address := f.store
	if address == "" {
		address = filepath.Join(s.data, "store")
	}
	at, err := blob.Parse(address)
	if err != nil {
		return err
	}
	s.place = s.data
	if at.Bucket == "" {
		if f.store != "" {
			s.place += ", slides and results in " + at.Dir
		}
		s.store, err = blob.Folder(at.Dir)
		return err
	}
	s.place += ", slides and results in s3://" + at.Bucket + "/" + at.Prefix
	access := f.sources.s3()
	access.Bucket, access.Prefix, access.Registerer = at.Bucket, at.Prefix, s.registry
	remote, err := blob.OpenS3(access)
	if err != nil {
		return err
	}
	kept := blob.DefaultSpoolConfig()
	kept.Logger, kept.Registerer = s.log, s.registry
	spool, err := blob.NewSpool(remote, filepath.Join(s.data, "spool"), kept)
	if err != nil {
		return err
	}
	s.store = spool
	s.sides = append(s.sides, spool.Run)
	s.degraded = append(s.degraded, spool.Degraded)
	return nil
}

// s3 says how object storage is reached.
func (f *sourceFlags) s3() blob.S3Config {
	c := blob.DefaultS3Config()
	c.Endpoint, c.Region, c.PathStyle = f.endpoint, f.region, f.pathStyle
	c.AccessKey, c.SecretKey, c.SessionToken = s3Credentials()
	return c
}
