// Package esl is a client of FreeSWITCH's event socket: the protocol of
// mod_event_socket in its inbound mode, where the client connects.
//
// A message is a block of "Name: value" lines that ends with an empty line and,
// where it has a Content-Length, as many bytes of body. The server begins with
// auth/request. Commands are lines that end with an empty line; each gets one
// command/reply or api/response, in the order of the commands. Between these come
// events: the body of a text/event-plain message is again such a block, with
// values in percent-encoding, and may have a body of its own. A server that does
// not want the client says text/rude-rejection, one that ends the session
// text/disconnect-notice.
//
// A Conn sends commands, each with a time-out, and notices a connection that is
// half open by asking every few seconds. What it has no room for is not dropped
// silently: the connection ends, and whoever uses it takes stock anew.
//
// # Lost events
//
// FreeSWITCH drops events, without a word, for a listener whose queue is full
// (100,000 entries). All its events are numbered, also those that nobody
// subscribed to and some that are never sent, so that a number that is missing
// does not say that an event was lost; but an event that was lost always leaves one
// missing. An Event says so by Gap: there is reason to look.
//
// The package knows nothing of calls.
package esl
