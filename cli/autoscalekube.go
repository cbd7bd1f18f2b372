package cli

import (
	"log/slog"
	"net"
	"os"

	"github.com/spf13/pflag"

	"bcc/autoscale/kube"
)

// kubeFlags are the flags of bcc autoscale --target kube.
type kubeFlags struct {
	kubeconfig, context, namespace, selector string
	deployments                              []string
}

func (f *kubeFlags) register(fs *pflag.FlagSet) {
	d := kube.DefaultConfig()
	fs.StringVar(&f.kubeconfig, "kubeconfig", "", "kube: the file that kubectl reads; empty: that of KUBECONFIG, else the account of the pod that this runs in")
	fs.StringVar(&f.context, "kube-context", "", "kube: context of the kubeconfig; empty: its current one")
	fs.StringVar(&f.namespace, "kube-namespace", "", "kube: namespace of the workers; empty: the context's, or the pod's own")
	fs.StringSliceVar(&f.deployments, "kube-deployment", nil, "kube: a deployment of workers, by name; empty: those of --kube-selector")
	fs.StringVar(&f.selector, "kube-selector", d.Selector, "kube: labels of the deployments of workers; the label "+kube.KindLabel+" says of which --kind")
}

// configFor is config for who looks for no Deployments.
func (f *kubeFlags) configFor(log *slog.Logger) kube.Config {
	c := f.config(log)
	c.Selector = kube.DefaultConfig().Selector
	return c
}

// config says how the API server is reached. Kubernetes tells a pod by two variables
// of its environment where that is.
func (f *kubeFlags) config(log *slog.Logger) kube.Config {
	c := kube.DefaultConfig()
	c.Kubeconfig, c.Context, c.Namespace, c.Selector, c.Deployments, c.Logger = f.kubeconfig, f.context, f.namespace, f.selector, f.deployments, log
	if c.Kubeconfig == "" {
		c.Kubeconfig = os.Getenv("KUBECONFIG")
	}
	if host := os.Getenv("KUBERNETES_SERVICE_HOST"); host != "" {
		c.Server = "https://" + net.JoinHostPort(host, os.Getenv("KUBERNETES_SERVICE_PORT"))
	}
	return c
}
