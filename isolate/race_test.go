//go:build linux && race

package isolate_test

// race says that this program is watched for races, which takes terabytes of addresses:
// no limit of memory can stand.
const race = true
