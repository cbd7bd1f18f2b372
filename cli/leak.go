//go:build leak

package cli

import (
	"fmt"
	"os"
	"time"
)

// leaked is what nobody frees.
var leaked [][]byte

// leak takes memory and keeps it, as a fault of ours or of a library would: so many MiB
// in steps of 10, then for so long, as BCC_LEAK says ("300 20s"). Only programs built
// with the tag leak do, for tests of the memory guard.
func leak() {
	var mib int
	var keep string
	if _, err := fmt.Sscan(os.Getenv("BCC_LEAK"), &mib, &keep); err != nil {
		return
	}
	hold, err := time.ParseDuration(keep)
	if err != nil {
		return
	}
	go func() {
		for range mib / 10 {
			piece := make([]byte, 10<<20)
			for i := 0; i < len(piece); i += 4096 {
				piece[i] = 1
			}
			leaked = append(leaked, piece)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(hold)
		leaked = nil
	}()
}
