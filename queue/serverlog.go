package queue

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/server"
)

// serverLog passes on what the server inside the process has to say, one level down
// where it is chatty. It keeps the last fatal word: the server only logs why it did
// not start.
type serverLog struct {
	log  *slog.Logger
	last atomic.Pointer[string]
}

var _ server.Logger = (*serverLog)(nil)

func (l *serverLog) fatal() string {
	if s := l.last.Load(); s != nil {
		return *s
	}
	return "it does not answer"
}

const said = "queue server"

func (l *serverLog) Noticef(f string, v ...any) { l.log.Debug(said, "text", fmt.Sprintf(f, v...)) }
func (l *serverLog) Debugf(f string, v ...any)  { l.log.Debug(said, "text", fmt.Sprintf(f, v...)) }
func (l *serverLog) Warnf(f string, v ...any)   { l.log.Warn(said, "text", fmt.Sprintf(f, v...)) }
func (l *serverLog) Errorf(f string, v ...any)  { l.log.Error(said, "text", fmt.Sprintf(f, v...)) }
func (l *serverLog) Tracef(string, ...any)      {}

func (l *serverLog) Fatalf(f string, v ...any) {
	text := fmt.Sprintf(f, v...)
	l.last.Store(&text)
	l.log.Error(said, "text", text)
}
