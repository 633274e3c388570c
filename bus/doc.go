// Package bus carries CSTA over NATS: requests from gateways to the adapter of
// a PBX, events back. The same code serves one process with the embedded server
// and many processes on a cluster.
//
//	rcc.v1.<pbx>.do.<Service>          request and reply, JSON
//	rcc.v1.<pbx>.on.<device>.<Event>   an event as the device sees it, JSON
//	rcc.v1.<pbx>.watch                 which devices a gateway watches
//	KV rcc_adapters                    who serves which PBX: its lease, and its link
//	KV rcc_commands                    commands that were begun, and their answers
//	KV rcc_digits                      the digit plan of each PBX, and its history
//
// An Adapter runs a pbx.Driver and serves one PBX on the bus.
// A Client is what a gateway has: it finds the PBX of a line, performs requests
// and hands out events, each watched device seeing every event once and in order.
// Embed starts a nats-server inside the process; Connect connects to any.
//
// Numbers on the bus are canonical: "+…" for global numbers, plain otherwise.
// The tables of a PBX are applied beside its adapter, by the Digits given to it,
// which change while it runs.
// Events carry the adapter's epoch and a sequence number; a gap, a new epoch or
// a new connection makes the client take a snapshot and report the difference.
package bus
