package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"bcc/fault"
)

// errConflict is in the chain of an error when somebody else wrote the same object.
var errConflict = errors.New("written by somebody else meanwhile")

// longest is how long a server may ask to be left alone.
const longest = 5 * time.Minute

// named says what was asked. The error keeps its kind and its hint.
func named(what string, err error) error { return fmt.Errorf("kubernetes: %s: %w", what, err) }

// unusable is a configuration with which nothing can be asked.
func unusable(err error) error { return fault.New(fault.Invalid, "kubernetes: %w", err) }

// isGone reports whether the object of a request is not there.
func isGone(err error) bool { return apierrors.IsNotFound(err) }

// none is the error of labels that no Deployment has.
func (a *api) none(selector string) error {
	return fault.Hint(fault.New(fault.NotFound, "kubernetes: no deployment with label %s in namespace %s", selector, a.namespace),
		"kubectl label deployment NAME %s=NAME, or name one with --kube-deployment", KindLabel)
}

// held is the error with which a server asked for silence, while that lasts.
func (a *api) held() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Now().Before(a.until) {
		return a.refuse
	}
	return nil
}

// hold gives an error of the client its kind, and keeps it where the server said when
// to come again.
func (a *api) hold(err error) error {
	err = kinded(err)
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok && seconds > 0 && !apierrors.IsConflict(err) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.until, a.refuse = time.Now().Add(min(time.Duration(seconds)*time.Second, longest)), err
	}
	return err
}

// kinded gives an error of the client its kind. Everything here can be mended
// elsewhere without a change of what was asked, but for a configuration.
func kinded(err error) error {
	switch {
	case apierrors.IsConflict(err):
		return fault.New(fault.Busy, "%w: %w", errConflict, err)
	case apierrors.IsUnauthorized(err):
		return fault.Hint(fault.New(fault.Invalid, "the credentials are refused, or over: %w", err),
			"kubectl auth whoami with the same kubeconfig tells; a pod's token is renewed by its kubelet")
	case apierrors.IsForbidden(err):
		return fault.Hint(fault.New(fault.Invalid, "the account may not: %w", err),
			"bind it to the Role of deploy/kubernetes/autoscaler.yaml")
	case apierrors.IsNotFound(err):
		return fault.New(fault.NotFound, "%w", err)
	case apierrors.IsTooManyRequests(err):
		return fault.New(fault.Busy, "the API server has too much to do: %w", err)
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		return fault.New(fault.Invalid, "%w", err)
	case errors.Is(err, context.Canceled):
		return err // the caller's doing
	}
	return fault.New(fault.Unavailable, "%w", err) // 5xx, no answer, no connection
}
