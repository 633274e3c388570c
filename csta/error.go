package csta

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// ErrorClass is the class of a CSTA error: the name of the one element inside
// CSTAErrorCode (ECMA-323 clause 9.4).
type ErrorClass string

// The error classes, as the schema spells them: one of them is misspelt there.
const (
	Operation                      ErrorClass = "operation"
	StateIncompatibility           ErrorClass = "stateIncompatibility"
	SystemResourceAvailability     ErrorClass = "systemResourceAvailibility"
	SubscribedResourceAvailability ErrorClass = "subscribedResourceAvailability"
	PerformanceManagement          ErrorClass = "performanceManagement"
	Security                       ErrorClass = "security"
	PrivateDataInfo                ErrorClass = "privateData"
	PrivateError                   ErrorClass = "privateErrorCode"
	Unspecified                    ErrorClass = "unspecified"
)

// errorClasses lists the classes and the values that each may have; nil means
// that the schema does not enumerate them.
var errorClasses = map[ErrorClass][]string{
	Operation:                      enumOperationErrors,
	StateIncompatibility:           enumStateIncompatibilityErrors,
	SystemResourceAvailability:     enumSystemResourceAvailabilityErrors,
	SubscribedResourceAvailability: enumSubscribedResourceAvailabilityErrors,
	PerformanceManagement:          enumPerformanceManagementErrors,
	Security:                       enumSecurityErrors,
	PrivateDataInfo:                enumPrivateDataInfoErrors,
	PrivateError:                   nil,
	Unspecified:                    nil,
}

// An Error is a refused service: the CSTAErrorCode message. It is the one error
// type from a driver to the body of a SIP answer, and crosses the bus unchanged.
type Error struct {
	Class ErrorClass
	Value string // of the class's enumeration; free text for privateErrorCode; empty for unspecified

	// Detail says to a person what was wrong: the field and the value. It
	// travels on the bus and into logs; CSTA XML has no place for it.
	Detail string
}

// Errorf returns an Error with a formatted detail. It panics when value is not
// of the class's enumeration: an answer that the schema forbids is a defect of
// the program, not of its input.
func Errorf(class ErrorClass, value, format string, args ...any) *Error {
	e := &Error{Class: class, Value: value, Detail: fmt.Sprintf(format, args...)}
	if err := e.check(); err != nil {
		panic(err)
	}
	return e
}

func (e *Error) check() error {
	values, ok := errorClasses[e.Class]
	if !ok {
		return fmt.Errorf("csta: error class %q is not of the schema", e.Class)
	}
	if values != nil && !slices.Contains(values, e.Value) {
		return fmt.Errorf("csta: error value %q is not one of class %s", e.Value, e.Class)
	}
	return nil
}

// Error returns class, value and detail in one line.
func (e *Error) Error() string {
	s := string(e.Class)
	if e.Value != "" {
		s += "/" + e.Value
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Is reports whether target is an *Error of the same class and value; the
// detail is for people and does not count.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Class == e.Class && t.Value == e.Value
}

func (*Error) message() {}

// Arguments returns nil: CSTAErrorCode has no extensions.
func (*Error) Arguments() *CSTACommonArguments { return nil }

// AsError returns err as a CSTA error: itself if it is or wraps one, else one
// of class operation and value generic whose detail is its text.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Class: Operation, Value: "generic", Detail: err.Error()}
}

// MarshalJSON writes the class as the key of its value, as XML has it.
func (e *Error) MarshalJSON() ([]byte, error) {
	m := map[string]string{string(e.Class): e.Value}
	if e.Detail != "" {
		m["detail"] = e.Detail
	}
	return json.Marshal(m)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (e *Error) UnmarshalJSON(text []byte) error {
	var m map[string]string
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	r := Error{Detail: m["detail"]}
	delete(m, "detail")
	if len(m) != 1 {
		return fmt.Errorf("csta: an error has exactly one class, not %d", len(m))
	}
	for class, value := range m {
		r.Class, r.Value = ErrorClass(class), value
	}
	if err := r.check(); err != nil {
		return err
	}
	*e = r
	return nil
}
