package queue

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/server"
)

// serverLog passes on what the server inside the process has to say, one level down
// where it is chatty. It keeps why the server does not work: only the log is told.
type serverLog struct {
	log    *slog.Logger
	failed atomic.Pointer[string]
}

var _ server.Logger = (*serverLog)(nil)

func (l *serverLog) why() string {
	if s := l.failed.Load(); s != nil {
		return *s
	}
	return "it does not answer"
}

// stops are words of the server after which a stream, or all of JetStream, takes
// nothing more until it is started again.
var stops = []string{"critical write error", "no space left", "DISABLED"}

const said = "queue server"

func (l *serverLog) Noticef(f string, v ...any) { l.log.Debug(said, "text", fmt.Sprintf(f, v...)) }
func (l *serverLog) Debugf(f string, v ...any)  { l.log.Debug(said, "text", fmt.Sprintf(f, v...)) }
func (l *serverLog) Warnf(f string, v ...any)   { l.log.Warn(said, "text", fmt.Sprintf(f, v...)) }
func (l *serverLog) Tracef(string, ...any)      {}

func (l *serverLog) Fatalf(f string, v ...any) {
	text := fmt.Sprintf(f, v...)
	l.failed.Store(&text)
	l.log.Error(said, "text", text)
}

func (l *serverLog) Errorf(f string, v ...any) {
	text := fmt.Sprintf(f, v...)
	for _, s := range stops {
		if strings.Contains(text, s) {
			l.failed.Store(&text)
		}
	}
	l.log.Error(said, "text", text)
}
