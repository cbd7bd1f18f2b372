package detect

import (
	"bytes"
	"io"
	"path/filepath"

	"bcc/report"
)

// headBytes is how much of a file is read to tell whose it is: the words looked
// for stand in its first lines.
const headBytes = 4096

// holdsResult reports whether dir is where this program wrote what it found on a
// slide, whole or not: timing.json is the first of a set, result.json the last.
// Other programs write files of these names too; slides beside those are not
// lost.
func holdsResult(dir string) bool {
	return dir != "" && (startsWith(filepath.Join(dir, report.ResultFile), `"format_version"`, `"notice"`) ||
		startsWith(filepath.Join(dir, report.TimingFile), `"format_version"`, `"total_s"`))
}

// startsWith reports whether all words stand at the start of the file at path.
func startsWith(path string, words ...string) bool {
	f, _, err := openFile(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, headBytes))
	if err != nil {
		return false
	}
	for _, w := range words {
		if !bytes.Contains(head, []byte(w)) {
			return false
		}
	}
	return true
}
