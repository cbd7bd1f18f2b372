//go:build !linux

package powertest

import "errors"

func (d *Disk) mount(string) (func() error, error) {
	return nil, errors.ErrUnsupported
}
