package freeswitch

import (
	"errors"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/freeswitch/esl"
)

// The causes that the driver gives beside those of package pbx.
const (
	causeMakeCall   csta.EventCause = "makeCall"
	causeTransfer   csta.EventCause = "transfer"
	causeSingleStep csta.EventCause = "singleStepTransfer"
	causeConference csta.EventCause = "conference"
	causeRedirected csta.EventCause = "redirected"
)

// hangupCauses maps FreeSWITCH's names of Q.850 causes. What is missing is normal
// clearing.
var hangupCauses = map[string]csta.EventCause{
	"USER_BUSY":                 "busy",
	"NO_ANSWER":                 "callNotAnswered",
	"NO_USER_RESPONSE":          "callNotAnswered",
	"ALLOTTED_TIMEOUT":          "callNotAnswered",
	"CALL_REJECTED":             "blocked",
	"UNALLOCATED_NUMBER":        "destNotObtainable",
	"NO_ROUTE_DESTINATION":      "destNotObtainable",
	"NO_ROUTE_TRANSIT_NET":      "destNotObtainable",
	"INVALID_NUMBER_FORMAT":     "invalidNumberFormat",
	"NUMBER_CHANGED":            "numberChanged",
	"USER_NOT_REGISTERED":       "destOutOfOrder",
	"SUBSCRIBER_ABSENT":         "destOutOfOrder",
	"DESTINATION_OUT_OF_ORDER":  "destOutOfOrder",
	"NETWORK_OUT_OF_ORDER":      "networkOutOfOrder",
	"NORMAL_CIRCUIT_CONGESTION": "networkCongestion", "NORMAL_TEMPORARY_FAILURE": "networkCongestion", "SWITCH_CONGESTION": "networkCongestion",
	"INCOMPATIBLE_DESTINATION": "incompatibleDestination",
	"LOSE_RACE":                "multipleAlerting", "PICKED_OFF": "callPickup",
}

func hangupCause(name string) csta.EventCause {
	if c, ok := hangupCauses[name]; ok {
		return c
	}
	return pbx.CauseNormalClearing
}

// refusal makes a CSTA error of what a command ended with. Class and value are
// for a refusal: FreeSWITCH's text says no more than that it was one.
func refusal(err error, class csta.ErrorClass, value string) error {
	var refused *esl.Error
	switch {
	case errors.As(err, &refused):
		return csta.Errorf(class, value, "%v", err)
	case errors.Is(err, esl.ErrUnanswered):
		// Whether it was done is unknown, and it must not be done again.
		return csta.Errorf(csta.PrivateError, "uncertain", "%v", err)
	default:
		return csta.Errorf(csta.SystemResourceAvailability, "resourceOutOfService", "%v", err)
	}
}
