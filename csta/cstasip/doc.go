// Package cstasip is CSTA in SIP dialogs, as ECMA TR/87 has it: a client opens
// one long dialog with INVITE, asks for services in INFO and is told events in
// INFOs of the server. The package knows no message bus, no PBX and no numbers.
//
// # The server side
//
// NewServer makes a Server from a Config; Listen opens its listeners, Run serves
// until Shutdown.
// For each INVITE that could be accepted Config.Open is asked for a Session: a
// csta.Handler that serves one client, and is closed when the dialog ends.
// The Dialog that Open gets says who the client is and which line it names;
// Dialog.Send sends it an event, Dialog.End ends it.
// A Refusal says with which SIP status an INVITE is refused.
//
// Requests of one dialog are served one at a time in the order of their arrival,
// and an answer leaves before the events that it causes.
// A request that comes twice is served once and answered twice, for 64·T1; its
// context carries a key (csta.CommandKey) that is the same both times.
// An event is told in order; a client that does not take its events loses its
// dialog, never an event alone.
//
// With Config.Auth the server is a registrar (RFC 3261 §10) as well, for phones and
// consoles that register before they open their dialog, and can have dialogs
// authenticated: Dialog.User says who the client is. A dialog does not depend on a
// registration, nor does anything go where a registration points.
//
// # The client side
//
// Dial opens a dialog; the Client is a csta.Handler, and so csta.Call works on it.
// ClientConfig.OnEvent receives the events in order.
// Connect opens an Endpoint, for many clients over one socket or connection;
// Endpoint.Register keeps a user registered with its server.
//
// # How it is built
//
// Sockets, framing, the connection pool and the transactions of SIP are those of
// github.com/emiago/sipgo; core.go puts its layers together, transport.go wraps
// the sockets that it is given.
// The dialog is this package's: sipgo gives every message a goroutine of its own,
// in which order is lost, and clients of the field do things to CSeq, Via and ACK
// that its dialogs refuse.
//
//	core.go           sipgo's layers; a request's ticket, a response's call
//	transport.go      listeners, sockets and connections as sipgo is given them
//	message.go        what is read of a message, and how it is answered
//	syntax.go         the parts of SIP's grammar that are read here
//	server.go         Server, Config, Session, Stats
//	limits.go         what one peer may take
//	invite.go         how a dialog begins, is acknowledged and refreshed
//	dialog.go         Dialog: the queue of its requests, its one timer, its end
//	inbox.go          new requests and repetitions: CSeq, epochs, kept answers
//	events.go         the requests that leave a dialog
//	session_timer.go  RFC 4028
//	route.go          the way to the peer
//	body.go           the CSTA part of a body, and lcs:line
//	digest.go         Auth: who users are, challenges, nonces
//	register.go       REGISTER, and what is bound
//	client.go         Client and Endpoint
//	login.go          how a client answers challenges
//	registration.go   Registration: a client that registers
//
// A request comes like this: the hook of core, in the reader's goroutine, gives it
// a ticket: its place in its dialog's queue, or what to answer at once.
// sipgo makes a transaction and a goroutine, which brings the transaction to the
// queue; where it is the next, this goroutine serves the queue until it is empty.
// So an idle dialog has no goroutine, and one timer.
//
// # What clients of the field need
//
// Tolerances stand where they are made, with their reason: no branch in Via
// (core.go), CSeq that starts again after a re-INVITE (inbox.go), ACK with a CSeq
// of its own, late or never (invite.go), a line feed behind a message
// (transport.go), a client that never answers (events.go) or does not refresh
// (session_timer.go), a Contact that names a place that is not there (route.go).
package cstasip
