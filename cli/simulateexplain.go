package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// decisions writes what a simulation logs of its policies as a line each: when in the
// trace, who, from how many to how many, why.
type decisions struct{ to io.Writer }

func (d decisions) Enabled(context.Context, slog.Level) bool { return true }
func (d decisions) WithAttrs([]slog.Attr) slog.Handler       { return d }
func (d decisions) WithGroup(string) slog.Handler            { return d }

func (d decisions) Handle(_ context.Context, r slog.Record) error {
	said := map[string]slog.Value{}
	r.Attrs(func(a slog.Attr) bool {
		said[a.Key] = a.Value
		return true
	})
	at, _ := said["at"].Any().(time.Duration)
	hours, minutes, seconds := at/time.Hour, at/time.Minute%60, at/time.Second%60
	line := fmt.Sprintf("%3d:%02d:%02d  %s  %v → %v  %v\n", hours, minutes, seconds, said["policy"], said["was"], said["wanted"], said["reason"])
	_, err := io.WriteString(d.to, fitted(line, columnsOf(d.to)))
	return err
}
