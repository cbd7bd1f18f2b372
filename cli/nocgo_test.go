//go:build !cgo

package cli_test

const cgo = false
