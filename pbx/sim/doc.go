// Package sim is a PBX in memory: the reference driver, the demonstration, and
// the bench that everything above the drivers is tested on. It is the default
// when no PBX is configured.
//
// A Sim has phones, and people who use them: Phone is the hand at one phone,
// Outside is a subscriber somewhere in the world behind the trunk. What a hand
// does and what a client asks for go the same way, so that events are the same
// whoever caused them. HTTP offers the hands to other processes.
//
// Cut and Restore take the link between the PBX and its driver away and bring it
// back; calls go on meanwhile. The README tells what is simulated and what is not.
//
// The package knows no SIP and no message bus.
package sim
