package aws

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"bcc/fault"
)

// What the API's codes mean; those of no list are judged by their status.
var (
	refused   = codes("ExpiredToken ExpiredTokenException InvalidClientTokenId SignatureDoesNotMatch UnrecognizedClientException AuthFailure MissingAuthenticationToken IncompleteSignature")
	forbidden = codes("AccessDenied AccessDeniedException UnauthorizedOperation OptInRequired")
	throttled = codes("Throttling ThrottlingException ThrottledException RequestLimitExceeded TooManyRequestsException SlowDown")
	contended = codes("ScalingActivityInProgress ResourceContention ResourceInUse")
	skewed    = codes("RequestExpired RequestTimeTooSkewed")
)

func codes(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}

// noCredentials is the error of who has none to show.
func noCredentials(err error) error {
	return fault.Hint(fault.New(fault.Invalid, "no credentials for AWS: %w", err),
		"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name an AWS_PROFILE, or run it with a role: of an instance, a task or a service account")
}

// kinded gives an error of the client its kind.
func kinded(err error) error {
	if fault.Of(err) != fault.Internal || errors.Is(err, context.Canceled) {
		return err
	}
	code, status := "", 0
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.Response != nil {
		status = answer.HTTPStatusCode()
	}
	err = &inShort{err}
	switch {
	case skewed[code]:
		return fault.Hint(fault.New(fault.Unavailable, "%w", err), "set the clock of this machine")
	case refused[code]:
		return fault.Hint(fault.New(fault.Invalid, "the credentials are refused, or over: %w", err),
			"aws sts get-caller-identity with the same credentials tells; session tokens end, roles renew theirs")
	case forbidden[code] || status == http.StatusForbidden || status == http.StatusUnauthorized:
		return fault.Hint(fault.New(fault.Invalid, "the account may not: %w", err),
			"allow what docs/aws-autoscaling.md lists")
	case throttled[code] || status == http.StatusTooManyRequests:
		return fault.New(fault.Busy, "the API is asked too much: %w", err)
	case contended[code]:
		return fault.New(fault.Busy, "%w", err)
	case status >= 400 && status < 500:
		return fault.New(fault.Invalid, "%w", err)
	}
	return fault.New(fault.Unavailable, "%w", err) // 5xx, no answer, no connection
}

// isGone reports whether the API does not know the instance of a request.
func isGone(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && api.ErrorCode() == "ValidationError" && strings.Contains(strings.ToLower(api.ErrorMessage()), "not found")
}

// inShort is an error of the client without the client's layers and the numbers that
// only Amazon can look up.
type inShort struct{ error }

func (e *inShort) Unwrap() error { return e.error }

func (e *inShort) Error() string {
	if api, ok := errors.AsType[smithy.APIError](e.error); ok {
		if text := api.ErrorMessage(); text != "" {
			return api.ErrorCode() + ": " + text
		}
		return api.ErrorCode()
	}
	if sent, ok := errors.AsType[*url.Error](e.error); ok {
		return sent.Err.Error()
	}
	return e.error.Error()
}
