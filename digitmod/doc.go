// Package digitmod modifies digits: it turns the numbers that CTI clients write into the numbers that a PBX dials, and the
// numbers that a PBX presents into the numbers that clients show and look up.
//
// A [Plan] holds the ordered tables of one PBX, the ARS access digits and the length of internal numbers. It answers six
// questions, about the five roles that a number can have:
//
//   - [Plan.Destination]: a client wants this number called; what does the PBX dial? Outgoing table, with ARS.
//   - [Plan.Device]: a client means this line; what does the PBX call it? Outgoing table, without ARS.
//   - [Plan.Present]: the PBX shows this party; what do clients see? Incoming table.
//   - [Plan.Dialled]: the PBX shows this party by what was dialled for it; what do clients see? ARS off, then the incoming table.
//   - [Plan.ForwardTarget]: the PBX says where a line is forwarded; what do clients see? ARS off, then the forward table where
//     the plan has one, else the incoming table.
//   - [Plan.Redirecting]: the PBX says from where a call was redirected; what do clients see? The redirecting table where the
//     plan has one, else the incoming table.
//
// [Plan.Explain] tells every step of an answer, and why: which rules do not match, what was replaced, what becomes of it on the
// way back. [Plan.Lint] looks for what a plan does and does not mean, each with a number that shows it: rules that never fire,
// lines that do not come back, two numbers that become one, emergency numbers that are changed.
//
// [Plan.RoundTrip] tells whether a line of the PBX's own survives the way to the client and back. [Canonical] is the form of a
// number on the bus; [Lines] are the patterns that say which PBX serves a line.
//
// # Reading a number
//
// [ParseNumber] takes apart what was written, the same way for every role. The scheme (tel:, sip:, sips:) and all parameters
// come off; of a SIP address only the user part counts; percent escapes of URIs are decoded; visual separators (hyphen, dot,
// parentheses, space, and their Unicode relatives that office programs paste) come off; a leading + is remembered and comes
// off. What remains are digits, * and #, and A–D behind them. An ext parameter wins over the number before it and is an
// internal number; one that holds no number is ignored.
//
// Leftovers of address books behind the digits are dropped: a word and a colon with whatever follows (5555551234v:41234), and
// an extension written out (x1234, ext. 1234) of at most seven digits. They are a label and somebody else's extension, and
// neither can be dialled in front of an answer. Anything else that is not a number, such as the user part of sip:alice@example.com
// or 1-800-FLOWERS, is a name: it passes every table as it is, without ARS. To dial half of it would reach a stranger.
//
// # What a rule matches
//
// The first rule whose conditions all hold wins. The conditions speak about the number as read, without the +. A rule with
// leading digits replaces these and keeps what follows. A rule with a match (RE2) replaces the part that matched and keeps the
// rest; write ^ and $ to replace the whole number. In its replacement $1 to $9 are groups, $0 is the part that matched; the
// reference is one digit long, so that $10 is the first group and a zero.
//
// A rule without leading and match but with a condition has the leading digits "". Empty leading digits do not match a code, a
// number that begins with * or #: a rule about four digits must not turn the park orbit #900 into a subscriber. A rule that
// means codes names them, by leading or match.
//
// A nil or zero Plan has no rules and no ARS: +16135925660 is dialled as 16135925660 and shown as +16135925660.
//
// # What it does not know
//
// The package knows no CSTA, no SIP dialogs, no bus and no PBX, and does no I/O. It does not know numbering plans of
// countries: a rule says what is a country code and what is an extension. It does not decide whether a number may be called.
package digitmod
