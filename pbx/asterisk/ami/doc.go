// Package ami is a client of the Asterisk Manager Interface, the line protocol by which programs
// command an Asterisk and hear what happens in it.
//
// It knows the framing, the login, which answer belongs to which action, and nothing of telephony: the
// names of actions and events are the caller's.
//
//	conn, err := ami.Dial(ctx, ami.Config{Address: "127.0.0.1:5038", User: "rccgw", Secret: secret})
//	…
//	go func() { ended <- conn.Run(ctx) }()
//	for e := range conn.Events() { … }
//
// # Order
//
// Asterisk writes answers and events in one stream, and [Event.Seq] and [Response.Seq] are a message's place in
// it. Events arrive on the channel in that order. [Conn.Do] and [Conn.List] may be called by the very
// goroutine that consumes the events, since answers do not travel through the queue: what it finds there
// afterwards with a Seq below that of the answer was written before the answer.
//
// Asterisk itself collects events in a queue that it flushes between two actions. An event that is written after an
// answer may therefore have happened before it: a snapshot can already contain what the events behind it tell.
//
// # Loss
//
// Nothing is dropped silently. A consumer that lets the queue of events fill up ends the link with [ErrOverflow].
// Asterisk keeps no events for a client that is away, so whoever dials again takes a new snapshot.
package ami
