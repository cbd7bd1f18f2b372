// Package kube finds the members of a balancer in the EndpointSlices of a Service of
// Kubernetes: whoever is ready and does not terminate, seconds before or after DNS would
// say so.
//
// In: access to the API server, the name of the Service. Out: addresses, whenever they
// change. It needs the rights get, list and watch of endpointslices
// (discovery.k8s.io) in the Service's namespace, and uses no others.
//
//	kube.go    list, then watch; again where that breaks off
//	slices.go  EndpointSlices to addresses
package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	"bcc/fault"
)

// Config says which Service, and how the API server is reached.
type Config struct {
	Access    *rest.Config
	Namespace string
	Service   string
	Port      string // name or number; empty: the Service's only one, or that named http

	// Rest is the time after trouble before it is tried again, default 2 s. Watch is how
	// long a watch lasts, default 5 min: then everything is read anew.
	Rest, Watch time.Duration
	Trouble     func(error) // told why nothing new is known; may be nil
}

// Validate returns all problems at once.
func (c Config) Validate() error {
	var errs []error
	if c.Access == nil {
		errs = append(errs, fault.New(fault.Invalid, "endpoints: no way to the API server"))
	}
	if len(validation.IsDNS1123Label(c.Namespace)) > 0 || len(validation.IsDNS1035Label(c.Service)) > 0 && len(validation.IsDNS1123Label(c.Service)) > 0 {
		errs = append(errs, fault.Hint(fault.New(fault.Invalid, "endpoints %.100s/%.100s: no names of a namespace and a service", c.Namespace, c.Service),
			"want NAMESPACE/SERVICE or NAMESPACE/SERVICE:PORT"))
	}
	return errors.Join(errs...)
}

// Slices is the source of members.
type Slices struct {
	cfg    Config
	client *rest.RESTClient
}

// New returns a source; nobody is asked yet.
func New(cfg Config) (*Slices, error) {
	if cfg.Rest == 0 {
		cfg.Rest = 2 * time.Second
	}
	if cfg.Watch == 0 {
		cfg.Watch = 5 * time.Minute
	}
	if cfg.Trouble == nil {
		cfg.Trouble = func(error) {}
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := discoveryv1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	metav1.AddToGroupVersion(scheme, metav1.SchemeGroupVersion) // of what the server says about errors
	c := rest.CopyConfig(cfg.Access)
	c.APIPath, c.GroupVersion = "/apis", &discoveryv1.SchemeGroupVersion
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	c.AcceptContentTypes, c.ContentType = "application/vnd.kubernetes.protobuf,application/json", "application/json"
	c.UserAgent = "bcc-balance"
	client, err := rest.RESTClientFor(c)
	if err != nil {
		return nil, fault.New(fault.Invalid, "endpoints: %w", err)
	}
	return &Slices{cfg, client}, nil
}

// Members calls set with who is ready, again whenever that changes, until ctx ends.
// While the API server is not reached, those of before stay.
func (s *Slices) Members(ctx context.Context, set func([]*url.URL)) error {
	var told string
	for ctx.Err() == nil {
		err := s.follow(ctx, func(urls []*url.URL) { told = ""; set(urls) })
		switch {
		case ctx.Err() != nil:
		case err == nil: // the watch was over
			continue
		case err.Error() != told:
			told = err.Error()
			s.cfg.Trouble(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(s.cfg.Rest):
		}
	}
	return ctx.Err()
}

// follow lists once and watches from there until that ends.
func (s *Slices) follow(ctx context.Context, set func([]*url.URL)) error {
	list := new(discoveryv1.EndpointSliceList)
	short, stop := context.WithTimeout(ctx, 10*time.Second)
	err := s.ask().Do(short).Into(list)
	stop()
	if err != nil {
		return s.named("list", err)
	}
	known := map[string]*discoveryv1.EndpointSlice{}
	for i := range list.Items {
		known[list.Items[i].Name] = &list.Items[i]
	}
	tell := func() error {
		urls, err := members(known, s.cfg.Port)
		if err != nil {
			return err
		}
		set(urls)
		return nil
	}
	if err := tell(); err != nil {
		return err
	}
	seconds := fmt.Sprint(max(int(s.cfg.Watch.Seconds()), 1))
	events, err := s.ask().Param("watch", "true").Param("resourceVersion", list.ResourceVersion).
		Param("allowWatchBookmarks", "true").Param("timeoutSeconds", seconds).Watch(ctx)
	if err != nil {
		return s.named("watch", err)
	}
	defer events.Stop()
	for event := range events.ResultChan() {
		slice, is := event.Object.(*discoveryv1.EndpointSlice)
		switch {
		case event.Type == watch.Error:
			err := apierrors.FromObject(event.Object)
			if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
				return nil // read anew
			}
			return s.named("watch", err)
		case !is || event.Type == watch.Bookmark:
			continue
		case event.Type == watch.Deleted:
			delete(known, slice.Name)
		default:
			known[slice.Name] = slice
		}
		if err := tell(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Slices) ask() *rest.Request {
	return s.client.Get().Namespace(s.cfg.Namespace).Resource("endpointslices").
		Param("labelSelector", discoveryv1.LabelServiceName+"="+s.cfg.Service).MaxRetries(0)
}

// named says what was asked for, and what is missing where it is a right.
func (s *Slices) named(what string, err error) error {
	err = fault.New(fault.Unavailable, "%s endpoints of %s/%s: %w", what, s.cfg.Namespace, s.cfg.Service, err)
	if status := apierrors.APIStatus(nil); errors.As(err, &status) && status.Status().Code == http.StatusForbidden {
		err = fault.Hint(err, "give the account get, list and watch of endpointslices in discovery.k8s.io")
	}
	return err
}
