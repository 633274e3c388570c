package sim

import (
	"rccgw/csta"
	"rccgw/pbx"
)

// The services: a client asks for what act.go does.

const badConnection = "invalidConnectionState"

// line returns the phone, or refuses an unknown one.
func (s *Sim) line(field string, id csta.DeviceID) (*phone, error) {
	p := s.phones[id.ID]
	if p == nil {
		return nil, csta.Errorf(csta.Operation, "invalidDeviceID", "%s: this PBX has no line %q", field, id.ID)
	}
	return p, nil
}

// require returns the call that id names a phone's connection in, if that is
// in one of the states.
func (s *Sim) require(id csta.ConnectionID, value string, states ...csta.LocalConnectionState) (pbx.Call, *phone, error) {
	c, conn, err := s.calls.Require(id, value, states...)
	if err != nil {
		return c, nil, err
	}
	p := s.phones[conn.Device]
	if p == nil || !conn.Own {
		return c, nil, csta.Errorf(csta.Operation, "invalidConnectionID", "connection %s is not of a line of this PBX", id)
	}
	return c, p, nil
}

// requireTwo returns the calls of the held and the active connection.
func (s *Sim) requireTwo(held, active csta.ConnectionID, states ...csta.LocalConnectionState) (h, a pbx.Call, p *phone, err error) {
	if h, p, err = s.require(held, "invalidHeldConnectionState", pbx.Hold); err != nil {
		return h, a, p, err
	}
	if a, _, err = s.require(active, "invalidActiveConnectionState", states...); err != nil {
		return h, a, p, err
	}
	if held.DeviceID.ID != active.DeviceID.ID {
		err = csta.Errorf(csta.Operation, "notSameDevice", "heldCall is of %s and activeCall of %s", held.DeviceID.ID, active.DeviceID.ID)
	}
	return h, a, p, err
}

func (s *Sim) makeCall(r *csta.MakeCall) (*csta.MakeCallResponse, error) {
	p, err := s.line("callingDevice", r.CallingDevice)
	if err != nil {
		return nil, err
	}
	if err := s.dials(p, r.CalledDirectoryNumber.ID); err != nil {
		return nil, err
	}
	id := s.newCall()
	if r.CorrelatorData != nil {
		s.calls.Correlate(id, r.CorrelatorData)
	}
	if r.AutoOriginate == "doNotPrompt" {
		s.attempt(p, id, r.CalledDirectoryNumber.ID, causeMakeCall)
	} else {
		s.initiate(p, id, r.CalledDirectoryNumber.ID, causeMakeCall)
	}
	return &csta.MakeCallResponse{CallingDevice: csta.Connection(id, p.Number)}, nil
}

func (s *Sim) answerCall(r *csta.AnswerCall) (*csta.AnswerCallResponse, error) {
	c, p, err := s.require(r.CallToBeAnswered, "noCallToAnswer", pbx.Alerting)
	if err != nil {
		return nil, err
	}
	s.establish(c.ID, p.Number, causeNewCall)
	return &csta.AnswerCallResponse{}, nil
}

func (s *Sim) clearConnection(r *csta.ClearConnection) (*csta.ClearConnectionResponse, error) {
	c, p, err := s.require(r.ConnectionToBeCleared, badConnection,
		pbx.Initiated, pbx.Alerting, pbx.Connected, pbx.Hold, pbx.Fail)
	if err != nil {
		return nil, err
	}
	s.release(c.ID, p.Number, causeNormalClearing)
	return &csta.ClearConnectionResponse{}, nil
}

func (s *Sim) holdCall(r *csta.HoldCall) (*csta.HoldCallResponse, error) {
	c, p, err := s.require(r.CallToBeHeld, badConnection, pbx.Connected)
	if err != nil {
		return nil, err
	}
	if err := s.talking(c, p.Number); err != nil {
		return nil, err
	}
	s.calls.Held(c.ID, p.Number, causeNormal)
	return &csta.HoldCallResponse{}, nil
}

func (s *Sim) retrieveCall(r *csta.RetrieveCall) (*csta.RetrieveCallResponse, error) {
	c, p, err := s.require(r.CallToBeRetrieved, "noHeldCall", pbx.Hold)
	if err != nil {
		return nil, err
	}
	if err := s.quiet(p); err != nil {
		return nil, err
	}
	s.calls.Retrieved(c.ID, p.Number, causeNormal)
	return &csta.RetrieveCallResponse{}, nil
}

// quiet refuses while the phone is active in a call.
func (s *Sim) quiet(p *phone) error {
	if c, ok := s.active(p); ok {
		return csta.Errorf(csta.StateIncompatibility, "connectedCallExists", "%s is active in call %s", p.Number, c.ID)
	}
	return nil
}

func (s *Sim) consultationCall(r *csta.ConsultationCall) (*csta.ConsultationCallResponse, error) {
	c, p, err := s.require(r.ExistingCall, badConnection, pbx.Connected)
	if err != nil {
		return nil, err
	}
	id, err := s.consult(c, p, r.ConsultedDevice.ID, r.CorrelatorData)
	if err != nil {
		return nil, err
	}
	return &csta.ConsultationCallResponse{InitiatedCall: csta.Connection(id, p.Number)}, nil
}

// consult holds the phone's call and dials number, with data for the new call,
// which may be nil.
func (s *Sim) consult(c pbx.Call, p *phone, number string, data *csta.PrivateData) (string, error) {
	if err := s.talking(c, p.Number); err != nil {
		return "", err
	}
	if err := checkDigits(number); err != nil {
		return "", csta.Errorf(csta.Operation, "invalidCalledDeviceID", "%v", err)
	}
	if n := len(s.calls.At(p.Number)); n >= maxCalls {
		return "", csta.Errorf(csta.SystemResourceAvailability, "resourceLimitExceeded", "%s has %d calls", p.Number, n)
	}
	s.calls.Held(c.ID, p.Number, causeConsultation)
	id := s.newCall()
	if data != nil {
		s.calls.Correlate(id, data)
	}
	return s.attempt(p, id, number, causeConsultation), nil
}

func (s *Sim) alternateCall(r *csta.AlternateCall) (*csta.AlternateCallResponse, error) {
	held, active, p, err := s.requireTwo(r.HeldCall, r.ActiveCall, pbx.Connected)
	if err != nil {
		return nil, err
	}
	if err := s.talking(active, p.Number); err != nil {
		return nil, err
	}
	s.alternate(held.ID, active.ID, p.Number)
	return &csta.AlternateCallResponse{}, nil
}

func (s *Sim) reconnectCall(r *csta.ReconnectCall) (*csta.ReconnectCallResponse, error) {
	held, active, p, err := s.requireTwo(r.HeldCall, r.ActiveCall, pbx.Connected, pbx.Initiated, pbx.Fail)
	if err != nil {
		return nil, err
	}
	s.release(active.ID, p.Number, causeNormalClearing)
	s.calls.Retrieved(held.ID, p.Number, causeNormal)
	return &csta.ReconnectCallResponse{}, nil
}

func (s *Sim) transferCall(r *csta.TransferCall) (*csta.TransferCallResponse, error) {
	held, active, p, err := s.requireTwo(r.HeldCall, r.ActiveCall, pbx.Connected)
	if err != nil {
		return nil, err
	}
	if err := s.merge(held, active, p.Number); err != nil {
		return nil, err
	}
	transferred, list := result(active.ID, append(held.Other(p.Number), active.Other(p.Number)...))
	return &csta.TransferCallResponse{TransferredCall: transferred, Connections: list}, nil
}

// result names the connections of a call that results from a transfer; the
// first is the party that was transferred.
func result(id string, parties []pbx.Connection) (csta.ConnectionID, []csta.ConnectionListItem) {
	var list []csta.ConnectionListItem
	for _, c := range parties {
		shown := c.Shown()
		list = append(list, csta.ConnectionListItem{NewConnection: csta.Connection(id, c.Device),
			Endpoint: &csta.Endpoint{DeviceID: shown.DeviceIdentifier, NotKnown: shown.NotKnown, Restricted: shown.Restricted}})
	}
	return csta.Connection(id, parties[0].Device), list
}

// singleStepTransferCall accepts an active, a held and an alerting connection,
// since client generations differ; of the last it is a deflection.
func (s *Sim) singleStepTransferCall(r *csta.SingleStepTransferCall) (*csta.SingleStepTransferCallResponse, error) {
	c, p, err := s.require(r.ActiveCall, "invalidActiveConnectionState", pbx.Connected, pbx.Hold, pbx.Alerting)
	if err != nil {
		return nil, err
	}
	if connection(c, p.Number).State == pbx.Alerting {
		t, err := s.divert(c.ID, p.Number, r.TransferredTo.ID)
		if err != nil {
			return nil, err
		}
		return &csta.SingleStepTransferCallResponse{TransferredCall: csta.Connection(c.ID, t.party.Device)}, nil
	}
	id, t, err := s.handOver(c, p.Number, r.TransferredTo.ID)
	if err != nil {
		return nil, err
	}
	transferred, list := result(id, append(c.Other(p.Number), pbx.Connection{Party: t.party}))
	return &csta.SingleStepTransferCallResponse{TransferredCall: transferred, Connections: list}, nil
}

func (s *Sim) deflectCall(r *csta.DeflectCall) (*csta.DeflectCallResponse, error) {
	c, p, err := s.require(r.CallToBeDiverted, badConnection, pbx.Alerting)
	if err != nil {
		return nil, err
	}
	if _, err := s.divert(c.ID, p.Number, r.NewDestination.ID); err != nil {
		return nil, err
	}
	return &csta.DeflectCallResponse{}, nil
}

func (s *Sim) snapshotDevice(r *csta.SnapshotDevice) (*csta.SnapshotDeviceResponse, error) {
	p, err := s.line("snapshotObject", r.SnapshotObject)
	if err != nil {
		return nil, err
	}
	return s.calls.SnapshotDevice(p.Number), nil
}

func (s *Sim) snapshotCall(r *csta.SnapshotCall) (*csta.SnapshotCallResponse, error) {
	return s.calls.SnapshotCall(r.SnapshotObject)
}
