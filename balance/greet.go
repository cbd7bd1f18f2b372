package balance

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"bcc/fault"
)

// Greeting is what a server says of itself, again and again, to all balancers that
// listen: the queue carries it, as it does the words of workers.
type Greeting struct {
	URL     string `json:"url"`
	Leaving bool   `json:"leaving,omitempty"` // it takes nothing new from now on
}

// GreetingEvery is how often servers greet. Who was not heard for fadeAfter greetings
// is gone.
const (
	GreetingEvery = time.Second
	fadeAfter     = 5
)

// mostGreeted bounds how many servers are taken down: whoever speaks on the queue is
// believed, but not without end.
const mostGreeted = 1000

// Wire carries words to everybody who listens, the one who speaks included.
type Wire interface {
	Tell(topic string, data []byte) error
	Listen(topic string, f func(topic string, data []byte)) (stop func(), err error)
}

// The topics of greetings, and of what a balancer says to itself.
const (
	serversTopic = "servers"
	echoTopic    = "balancers."
)

// Greet says that a server is there, until ctx ends; then that it leaves. A word that
// does not come through is no reason to stop: the next may.
func Greet(ctx context.Context, wire Wire, address string) error {
	u, err := Address(address)
	if err != nil {
		return err
	}
	say := func(leaving bool) error {
		data, err := json.Marshal(Greeting{u.String(), leaving})
		if err != nil {
			return err
		}
		return wire.Tell(serversTopic, data)
	}
	tick := time.NewTicker(GreetingEvery)
	defer tick.Stop()
	for {
		_ = say(false)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return say(true)
		}
	}
}

// greeted are the servers that greet.
type greeted struct {
	wire  Wire
	echo  string // topic of our own
	every time.Duration
	shout func(error)

	mu     sync.Mutex
	silent map[string]int // echoes since the last greeting, by address
}

// Greeted returns a source of the servers that greet on the wire. id tells this
// balancer from others: letters and digits.
//
// Silence is counted in words of our own that came back, not in seconds: while the wire
// is cut nobody is heard, and nobody is gone. Who is heard last stays.
func Greeted(wire Wire, id string, trouble func(error)) Source {
	return &greeted{wire: wire, echo: echoTopic + id, every: GreetingEvery, shout: trouble, silent: map[string]int{}}
}

func (g *greeted) Members(ctx context.Context, set func([]*url.URL)) error {
	var telling sync.Mutex // sets come one after another
	tell := func() {
		telling.Lock()
		defer telling.Unlock()
		set(g.there())
	}
	deafTo, err := g.wire.Listen(serversTopic, func(_ string, data []byte) {
		if g.hear(data) {
			tell()
		}
	})
	if err != nil {
		return fault.New(fault.Unavailable, "listen to servers: %w", err)
	}
	defer deafTo()
	deaf, err := g.wire.Listen(g.echo, func(string, []byte) {
		if g.age() {
			tell()
		}
	})
	if err != nil {
		return fault.New(fault.Unavailable, "listen to servers: %w", err)
	}
	defer deaf()
	tick := time.NewTicker(g.every)
	defer tick.Stop()
	well := true
	for {
		err := g.wire.Tell(g.echo, nil)
		if err != nil && well {
			g.shout(fault.New(fault.Unavailable, "servers are not heard: %w", err))
		}
		well = err == nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hear takes a greeting down and reports whether that changes who is there.
func (g *greeted) hear(data []byte) (changed bool) {
	var is Greeting
	if json.Unmarshal(data, &is) != nil {
		return false
	}
	u, err := Address(is.URL)
	if err != nil {
		return false // somebody else's words
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	_, known := g.silent[u.String()]
	if !known && len(g.silent) >= mostGreeted {
		return false
	}
	if is.Leaving {
		delete(g.silent, u.String())
		return known
	}
	g.silent[u.String()] = 0
	return !known
}

// age counts an echo and reports whether somebody was not heard for too long.
func (g *greeted) age() (changed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var faded []string
	for address := range g.silent {
		if g.silent[address]++; g.silent[address] > fadeAfter {
			faded = append(faded, address)
		}
	}
	if len(faded) == len(g.silent) { // all at once: the wire, and probes know better
		return false
	}
	for _, address := range faded {
		delete(g.silent, address)
	}
	return len(faded) > 0
}

func (g *greeted) there() []*url.URL {
	g.mu.Lock()
	defer g.mu.Unlock()
	var urls []*url.URL
	for address := range g.silent {
		if u, err := url.Parse(address); err == nil {
			urls = append(urls, u)
		}
	}
	slices.SortFunc(urls, func(a, b *url.URL) int { return strings.Compare(a.String(), b.String()) })
	return urls
}
