//go:build linux && !race

package isolate_test

const race = false
