// Package pbxtest is the conformance suite that every PBX driver passes.
//
// Run plays scenarios on benches: a Bench is a PBX with phones, the hands at
// them, and the way to its services and events. That way may be the driver
// itself, the bus, or a client's dialog: the suite knows neither, and takes
// ConnectionIDs and numbers as the bench says they are written there. A scenario
// waits for events with a deadline, never for time to pass, and accepts the
// orders of events that ECMA-269 leaves open.
//
// Beside what each scenario expects, everything that is seen is checked: events
// are valid and declared; connections change by legal steps; localConnectionInfo
// is what the events before it led to; nothing is heard of a call that the
// device is not in, or not any more; snapshots agree with events; at the end
// nobody has a call, the model is empty and no goroutine is left.
//
// What a PBX cannot do is declared: services and events by the features of the
// line, everything else in Bench.Lacks with its reason. A scenario that needs
// what is declared missing is skipped and says so; what is missing without being
// declared fails.
package pbxtest
