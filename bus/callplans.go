package bus

import (
	"slices"
	"sync"

	"rccgw/csta"
	"rccgw/pbx"
)

// callPlans remembers by which plan each call is told, from the first message
// about it until its last device has left it: a call in progress keeps the
// numbers that it was shown with while tables change. Where a transfer joins two
// calls, the plan of the primary one goes on.
//
// A driver that never says that a call is over cannot make it grow without
// bound: there are two generations, the older of which is dropped when the
// younger is full. A call that was dropped is told by the plan in force.
type callPlans struct {
	mu         sync.Mutex
	young, old map[string]*callPlan
}

// callPlan is the plan of a call and the PBX's devices that are in it.
type callPlan struct {
	digits  digits
	devices []string
}

const maxGeneration = 50_000 // calls

// find returns what is known of a call, nil where that is nothing.
func (c *callPlans) find(call string) *callPlan {
	p := c.young[call]
	if p == nil {
		if p = c.old[call]; p != nil {
			delete(c.old, call)
			c.keep(call, p)
		}
	}
	return p
}

func (c *callPlans) keep(call string, p *callPlan) {
	if c.young == nil || len(c.young) >= maxGeneration {
		c.old, c.young = c.young, map[string]*callPlan{}
	}
	c.young[call] = p
}

// join notes that the device is in the call, which is told by d where nothing
// else is known.
func (c *callPlans) join(call, device string, d digits) digits {
	p := c.find(call)
	if p == nil {
		p = &callPlan{digits: d}
		c.keep(call, p)
	}
	if !slices.Contains(p.devices, device) {
		p.devices = append(p.devices, device)
	}
	return p.digits
}

func (c *callPlans) leave(call, device string) {
	p := c.find(call)
	if p == nil {
		return
	}
	p.devices = slices.DeleteFunc(p.devices, func(d string) bool { return d == device })
	if len(p.devices) == 0 {
		delete(c.young, call)
	}
}

// event returns the plan by which the device is told the event; d is the one in
// force.
func (c *callPlans) event(device string, ev csta.Event, d digits) digits {
	local, call := csta.LocalConnection(ev)
	if call == "" {
		return d
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e := ev.(type) {
	case *csta.TransferedEvent:
		return c.joined(device, local, e.PrimaryOldCall.CallID, e.SecondaryOldCall.CallID, e.TransferredConnections, d)
	case *csta.ConferencedEvent:
		return c.joined(device, local, e.PrimaryOldCall.CallID, e.SecondaryOldCall.CallID, e.ConferenceConnections, d)
	}
	if local != pbx.Null {
		return c.join(call, device, d)
	}
	if p := c.find(call); p != nil {
		d = p.digits
	}
	c.leave(call, device)
	return d
}

// joined takes in that two calls became one. Each device is told of it; the plan
// of the primary call is found with the result when nobody is left in the first.
func (c *callPlans) joined(device string, local csta.LocalConnectionState, primary, secondary string, items []csta.ConnectionListItem, d digits) digits {
	result := ""
	if len(items) > 0 {
		result = items[0].NewConnection.CallID
	}
	for _, call := range []string{primary, result, secondary} {
		if p := c.find(call); p != nil {
			d = p.digits
			break
		}
	}
	for _, call := range []string{primary, secondary} {
		if call != result || local == pbx.Null {
			c.leave(call, device)
		}
	}
	if result != "" && local != pbx.Null {
		c.join(result, device, d)
		c.find(result).digits = d
	}
	return d
}

// of returns the plan of a call, d where nothing is known of it.
func (c *callPlans) of(call string, d digits) digits {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.find(call); p != nil {
		return p.digits
	}
	return d
}

// seen is join for a call that a snapshot shows.
func (c *callPlans) seen(call, device string, d digits) digits {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.join(call, device, d)
}
