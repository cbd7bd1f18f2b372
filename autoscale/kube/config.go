package kube

import (
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"bcc/fault"
)

// Config says where the Deployments are, and how the API server is reached.
type Config struct {
	// Kubeconfig is the path of a file as kubectl reads it. Empty: the account of the
	// pod that this runs in, at Server.
	Kubeconfig string
	Context    string // of the Kubeconfig; empty: its current one

	Server  string // https://host:port of the API server, for a pod
	Account string // folder of the pod's account: ca.crt, namespace, token. Default where Kubernetes puts it

	Namespace   string   // of the Deployments; empty: the context's, or the pod's own
	Selector    string   // labels of the Deployments, where none is named. Default bcc/kind: all that say of which kind their workers are
	Deployments []string // names; empty: those of Selector

	Timeout time.Duration // of one request. Default 10 s: the next decision comes soon
	Logger  *slog.Logger  // may be nil
}

// DefaultConfig returns what holds where nothing else is said.
func DefaultConfig() Config {
	return Config{
		Account: "/var/run/secrets/kubernetes.io/serviceaccount", Selector: KindLabel, Timeout: 10 * time.Second,
	}
}

// Validate returns all problems at once.
func (c Config) Validate() error {
	var errs []error
	if c.Kubeconfig == "" && c.Server == "" {
		errs = append(errs, fault.Hint(fault.New(fault.Invalid, "no API server of Kubernetes: this runs in no pod, and no kubeconfig is named"),
			"pass --kubeconfig, the file that kubectl reads"))
	}
	if u, err := url.Parse(c.Server); c.Server != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		errs = append(errs, fault.New(fault.Invalid, "API server of Kubernetes: want https://host:port"))
	}
	if _, err := labels.Parse(c.Selector); err != nil {
		errs = append(errs, fault.New(fault.Invalid, "labels of deployments %q: %w", c.Selector, err))
	}
	if c.Selector == "" && len(c.Deployments) == 0 {
		errs = append(errs, fault.New(fault.Invalid, "neither names nor labels of deployments: that would be all of the namespace"))
	}
	if c.Timeout <= 0 {
		errs = append(errs, fault.New(fault.Invalid, "%v for an answer of Kubernetes: want more than 0", c.Timeout))
	}
	return errors.Join(errs...)
}

// access returns how the API server is reached, and the namespace.
func (c Config) access() (*rest.Config, string, error) {
	if c.Kubeconfig == "" {
		return c.podAccess()
	}
	file, err := clientcmd.LoadFromFile(c.Kubeconfig)
	if errors.Is(err, os.ErrNotExist) {
		return nil, "", fault.New(fault.NotFound, "kubeconfig: %w", err)
	} else if err != nil {
		return nil, "", fault.New(fault.Invalid, "kubeconfig %s: %w", c.Kubeconfig, err)
	}
	if err := clientcmd.ResolveLocalPaths(file); err != nil {
		return nil, "", fault.New(fault.Invalid, "kubeconfig %s: %w", c.Kubeconfig, err)
	}
	chosen := clientcmd.NewNonInteractiveClientConfig(*file, c.Context, &clientcmd.ConfigOverrides{}, nil)
	access, err := chosen.ClientConfig()
	if err != nil {
		return nil, "", fault.Hint(fault.New(fault.Invalid, "kubeconfig %s: %w", c.Kubeconfig, err), "kubectl config get-contexts lists what it holds")
	}
	namespace := c.Namespace
	if namespace == "" {
		namespace, _, err = chosen.Namespace()
	}
	if err != nil {
		return nil, "", fault.New(fault.Invalid, "kubeconfig %s: %w", c.Kubeconfig, err)
	}
	return access, namespace, nil
}

// podAccess is what rest.InClusterConfig does, without the environment. The token is
// read again before it ends.
func (c Config) podAccess() (*rest.Config, string, error) {
	namespace := c.Namespace
	if namespace == "" {
		own, err := os.ReadFile(filepath.Join(c.Account, "namespace"))
		if err != nil {
			return nil, "", noAccount(err)
		}
		namespace = strings.TrimSpace(string(own))
	}
	token := filepath.Join(c.Account, "token")
	if _, err := os.Stat(token); err != nil {
		return nil, "", noAccount(err)
	}
	return &rest.Config{
		Host: c.Server, BearerTokenFile: token,
		TLSClientConfig: rest.TLSClientConfig{CAFile: filepath.Join(c.Account, "ca.crt")},
	}, namespace, nil
}

func noAccount(err error) error {
	return fault.Hint(fault.New(fault.Invalid, "the pod's account: %w", err),
		"give the pod a service account (deploy/kubernetes/autoscaler.yaml), and leave automountServiceAccountToken on")
}

// Access returns how the API server is reached, and the namespace, for who asks it about
// something else than Deployments.
func (c Config) Access() (*rest.Config, string, error) {
	if err := c.Validate(); err != nil {
		return nil, "", err
	}
	return c.access()
}
