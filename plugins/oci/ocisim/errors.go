package ocisim

import (
	"errors"
	"fmt"
	"net/http"
)

// apiError is what a handler returns to answer with an error. It is rendered as {"code":..., "message":...}.
type apiError struct {
	Status  int
	Code    string
	Message string
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

// fail returns an apiError with a formatted message.
func fail(status int, code, format string, args ...any) error {
	return &apiError{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// asAPIError turns any error of a handler into what the client is told.
func asAPIError(err error) *apiError {
	var e *apiError
	if errors.As(err, &e) {
		return e
	}
	return &apiError{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: err.Error()}
}

func errNotAuthenticated(reason string) error {
	return fail(401, "NotAuthenticated", "The required information to complete authentication was not provided or was incorrect. (%s)", reason)
}

// errNotFound is the answer of services other than object storage for what is missing or hidden.
func errNotFound() error {
	return fail(404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found.")
}

func errNotImplemented(what string) error {
	return fail(501, "NotImplemented", "%s is not simulated.", what)
}
