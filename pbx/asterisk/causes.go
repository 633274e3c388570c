package asterisk

import (
	"errors"
	"strings"

	"rccgw/csta"
	"rccgw/pbx/asterisk/ami"
)

// The causes that the driver gives beside those of package pbx.
const (
	causeBusy          csta.EventCause = "busy"
	causeNotAnswered   csta.EventCause = "callNotAnswered"
	causeUnobtainable  csta.EventCause = "destNotObtainable"
	causeOutOfOrder    csta.EventCause = "destOutOfOrder"
	causeDND           csta.EventCause = "doNotDisturb"
	causeMakeCall      csta.EventCause = "makeCall"
	causeTransfer      csta.EventCause = "transfer"
	causeConference    csta.EventCause = "conference"
	causeSingleStep    csta.EventCause = "singleStepTransfer"
	causeConsultation  csta.EventCause = "consultation"
	causeAlternate     csta.EventCause = "alternate"
	causeRedirected    csta.EventCause = "redirected"
	causeNetwork       csta.EventCause = "networkCongestion"
	causeBlocked       csta.EventCause = "blocked"
	causePickup        csta.EventCause = "callPickup"
	causePark          csta.EventCause = "park"
	causeRecall        csta.EventCause = "recall"
	causeQueued        csta.EventCause = "enteringDistribution"
	causeDistributed   csta.EventCause = "distributed"
	causeForward       csta.EventCause = "callForward"
	causeForwardAlways csta.EventCause = "callForwardImmediate"
	causeForwardBusy   csta.EventCause = "callForwardBusy"
	causeForwardNoAns  csta.EventCause = "callForwardNoAnswer"
	// A phone stopped ringing since another, which rang for the same call, answered. Not callPickup: nobody took the call away. Not
	// normalClearing either: clients would count a missed call.
	causeElsewhere csta.EventCause = "multipleAlerting"
)

// hangupCauses maps the cause of a Hangup, which is Q.850's. What is missing is
// normal clearing.
var hangupCauses = map[string]csta.EventCause{
	"1": causeUnobtainable, "3": causeUnobtainable, "22": "numberChanged", "28": "invalidNumberFormat",
	"17": causeBusy,
	"18": causeNotAnswered, "19": causeNotAnswered,
	"26": causeElsewhere,
	"20": causeOutOfOrder, "27": causeOutOfOrder, // not registered; no answer to the INVITE at all
	"21": causeBlocked,
	"34": causeNetwork, "38": "networkOutOfOrder", "41": causeNetwork, "42": causeNetwork, "44": causeNetwork,
	"58": "incompatibleDestination", "88": "incompatibleDestination",
}

func hangupCause(q850 string) csta.EventCause {
	if c, ok := hangupCauses[q850]; ok {
		return c
	}
	return "normalClearing"
}

// dialCauses maps how Dial ended with a party that did not answer. What is
// missing was given up by the caller.
var dialCauses = map[string]csta.EventCause{
	"BUSY": causeBusy, "NOANSWER": causeNotAnswered, "CONGESTION": causeNetwork, "CHANUNAVAIL": causeOutOfOrder,
}

// forwardCauses maps the reason of the dialplan's event RCCDiverted.
var forwardCauses = map[string]csta.EventCause{"cfu": causeForwardAlways, "cfb": causeForwardBusy, "cfnr": causeForwardNoAns}

func forwardCause(reason string) csta.EventCause {
	if c, ok := forwardCauses[reason]; ok {
		return c
	}
	return causeForward
}

// A goneError says that Asterisk has no channel of that name, or not for the
// moment: while it exchanges one for another, a name is out of use.
type goneError struct{ refusal *csta.Error }

func (e *goneError) Error() string { return e.refusal.Error() }

func (e *goneError) Unwrap() error { return e.refusal }

// refused reports whether the PBX has refused an action: it may not have it.
func refused(err error) bool {
	var e *ami.Error
	return errors.As(err, &e)
}

// refusal makes a CSTA error of what an action ended with. Class and value are
// for a refusal of which Asterisk's text says no more.
func refusal(err error, class csta.ErrorClass, value string) error {
	var refused *ami.Error
	switch {
	case errors.As(err, &refused):
		switch text := refused.Message; {
		case text == "Permission denied":
			return csta.Errorf(csta.Operation, "privilegeViolationSpecifiedDevice", "the AMI user may not: %v", err)
		case text == "Extension does not exist.":
			return csta.Errorf(csta.Operation, "invalidCalledDeviceID", "%v", err)
		case strings.Contains(text, "No such channel"), strings.Contains(text, "hannel") && strings.Contains(text, "does not exist"):
			return &goneError{csta.Errorf(csta.Operation, "invalidConnectionID", "the PBX does not have it: %v", err)}
		}
		return csta.Errorf(class, value, "%v", err)
	case errors.Is(err, ami.ErrUnanswered):
		// Whether it was done is unknown, and it must not be done again.
		return csta.Errorf(csta.PrivateError, "uncertain", "%v", err)
	default:
		return csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "%v", err)
	}
}
