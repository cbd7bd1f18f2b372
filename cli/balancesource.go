package cli

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"bcc/balance"
	"bcc/balance/kube"
	"bcc/fault"
	"bcc/queue"
)

// What the rooms promise to each other.
var (
	_ balance.Wire   = (*queue.Queue)(nil)
	_ balance.Source = (*kube.Slices)(nil)
)

// sourcesOfServers are the ways to say who the servers of a balancer are.
type sourcesOfServers struct {
	to        []string
	file      string
	name      string
	endpoints string
	queueFlags

	refresh time.Duration
	kube    kubeFlags
}

func (f *sourcesOfServers) register(fs *pflag.FlagSet) {
	fs.StringSliceVar(&f.to, "to", nil, "address of a server, http://host:port; may be given again")
	fs.StringVar(&f.file, "to-file", "", "file with an address a line, read again when it changes")
	fs.StringVar(&f.name, "dns", "", "address whose name stands for all servers, http://name:port: asked again and again")
	fs.DurationVar(&f.refresh, "refresh", 5*time.Second, "how often --to-file and --dns are looked at")
	fs.StringVar(&f.endpoints, "endpoints", "", "NAMESPACE/SERVICE or NAMESPACE/SERVICE:PORT of Kubernetes: its endpoints that are ready")
	fs.StringVar(&f.kube.kubeconfig, "kubeconfig", "", "with --endpoints, the file that kubectl reads; empty: that of KUBECONFIG, else the account of the pod that this runs in")
	fs.StringVar(&f.kube.context, "kube-context", "", "with --endpoints, context of the kubeconfig; empty: its current one")
	f.registerQueue(fs, "nats://host:port of the servers' queue: those with bcc serve --announce")
}

// open returns who says who the servers are, and what ends that.
func (f *sourcesOfServers) open(ctx context.Context, log *slog.Logger) (_ balance.Source, leave func(), err error) {
	leave = func() {}
	ways := 0
	for _, given := range []bool{len(f.to) > 0, f.file != "", f.name != "", f.endpoints != "", f.queue != ""} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return nil, nil, fault.Hint(fault.New(fault.Invalid, "want one of --to, --to-file, --dns, --endpoints and --queue"), "--to http://127.0.0.1:8001,http://127.0.0.1:8002")
	}
	for _, only := range []struct {
		flag, with string
		wrong      bool
	}{
		{"--queue-ca", "--queue", f.roots != "" && f.queue == ""},
		{"--kubeconfig", "--endpoints", f.kube.kubeconfig != "" && f.endpoints == ""},
		{"--kube-context", "--endpoints", f.kube.context != "" && f.endpoints == ""},
	} {
		if only.wrong {
			return nil, nil, fault.Hint(fault.New(fault.Invalid, "%s without %s", only.flag, only.with), "it says nothing of servers that are named otherwise; leave it out")
		}
	}
	if f.refresh < 100*time.Millisecond {
		return nil, nil, fault.New(fault.Invalid, "--refresh %v: want 100 ms or more", f.refresh)
	}
	trouble := func(err error) {
		words := []any{"error", err}
		if hint := fault.HintOf(err); hint != "" {
			words = append(words, "hint", hint)
		}
		log.Warn("the servers are not known anew; those of before stay", words...)
	}
	var s balance.Source
	switch {
	case f.file != "":
		s, err = balance.File(f.file, f.refresh, trouble)
	case f.name != "":
		s, err = balance.DNS(f.name, f.refresh, trouble)
	case f.endpoints != "":
		s, err = f.slices(log, trouble)
	case f.queue != "":
		s, leave, err = f.greeted(ctx, log, trouble)
	default:
		s, err = balance.List(f.to...)
	}
	return s, leave, err
}

// greeted returns who greets through a queue, and what leaves that.
func (f *sourcesOfServers) greeted(ctx context.Context, log *slog.Logger, trouble func(error)) (balance.Source, func(), error) {
	in, err := f.joining(log, nil)
	if err != nil {
		return nil, nil, err
	}
	q, err := queue.Open(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	return balance.Greeted(q, rand.Text(), trouble), func() { _ = q.Close() }, nil // nothing of ours lies there
}

// slices returns the endpoints of a Service of Kubernetes.
func (f *sourcesOfServers) slices(log *slog.Logger, trouble func(error)) (balance.Source, error) {
	namespace, service, both := strings.Cut(f.endpoints, "/")
	if !both {
		return nil, fault.Hint(fault.New(fault.Invalid, "--endpoints %.200q: want a namespace and a service", f.endpoints), "bcc/bcc-serve, or bcc/bcc-serve:8000")
	}
	service, port, _ := strings.Cut(service, ":")
	f.kube.namespace = namespace
	access, _, err := f.kube.configFor(log).Access()
	if err != nil {
		return nil, fault.New(fault.Of(err), "--endpoints: %w", err)
	}
	return kube.New(kube.Config{Access: access, Namespace: namespace, Service: service, Port: port, Trouble: trouble})
}
