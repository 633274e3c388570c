package digitmod

// A Config is a digit plan as the administrator writes it, in YAML, JSON or Go. [New] checks it and makes a [Plan] of it.
type Config struct {
	// ARS holds the access digits in front of numbers that leave the PBX, such as 9.
	ARS string `yaml:"ars" json:"ars,omitempty"`
	// Internal tells internal numbers from others.
	Internal InternalConfig `yaml:"internal" json:"internal"`
	// Outgoing is the table for numbers that clients write. The first rule that matches wins.
	Outgoing []Rule `yaml:"outgoing" json:"outgoing,omitempty"`
	// Incoming is the table for numbers that the PBX presents. The first rule that matches wins.
	Incoming []Rule `yaml:"incoming" json:"incoming,omitempty"`
	// Forward is the table for forward targets that the PBX reads back, once their ARS digits are off, in place of Incoming. An
	// empty list is a table without rules.
	Forward []Rule `yaml:"forward" json:"forward,omitzero"`
	// Redirecting is the table for the devices that calls were redirected from, in place of Incoming.
	Redirecting []Rule `yaml:"redirecting" json:"redirecting,omitzero"`
	// Restricted and NotKnown are shown in place of a number that is withheld or that nobody knows, for clients that cannot show
	// these; without them clients are told restricted and notKnown. They are numbers or names in their canonical form.
	Restricted string `yaml:"restricted" json:"restricted,omitempty"`
	NotKnown   string `yaml:"notKnown" json:"notKnown,omitempty"`
	// Emergency protects the numbers that must be dialled as they are.
	Emergency EmergencyConfig `yaml:"emergency" json:"emergency,omitzero"`
	// Examples are checked whenever the plan is made. One that fails refuses the plan.
	Examples []Example `yaml:"examples" json:"examples,omitempty"`
}

// InternalConfig describes the numbers that are dialled without ARS.
type InternalConfig struct {
	// MaxLength is the length of the longest internal number, in digits; with 0 no number is internal by its length. A number
	// written with + is never internal.
	MaxLength int `yaml:"maxLength" json:"maxLength,omitempty"`
}

// EmergencyConfig says which numbers a plan must not change on their way out. [Plan.Lint] finds those that it does change.
type EmergencyConfig struct {
	// Numbers are the emergency numbers of the place. Without any they are 112 and 911, which every mobile telephone dials as
	// such anywhere (3GPP TS 22.101, clause 10.1.1). Others, such as 999 and 000, are to be named: elsewhere they are the
	// beginning of ordinary numbers.
	Numbers []string `yaml:"numbers" json:"numbers,omitempty"`
	// MayAlter allows rules to change them, for a PBX that demands it. Without a rule ARS digits may stand in front of them:
	// there are PBXs that want it so, and [Plan.Lint] warns of it.
	MayAlter bool `yaml:"mayAlter" json:"mayAlter,omitempty"`
}

// A Rule is a row of a digit modification table. It has Leading or Match, or neither and at least one condition.
type Rule struct {
	// Leading digits are replaced; what follows them is kept. They may be empty, then Replacement is put in front. Empty
	// leading digits do not match codes, which begin with * or #.
	Leading *string `yaml:"leading" json:"leading,omitempty"`
	// Match is an RE2 expression. The part of the number that matches is replaced.
	Match *string `yaml:"match" json:"match,omitempty"`
	// Replacement consists of digits, *, #, A–D, a + in front, and with Match of $0 to $9.
	Replacement string `yaml:"replacement" json:"replacement,omitempty"`
	// IgnoreARS leaves the ARS digits out. Outgoing only.
	IgnoreARS bool `yaml:"ignoreARS" json:"ignoreARS,omitempty"`
	// AddPlus puts a + in front of the result. Not outgoing.
	AddPlus bool `yaml:"addPlus" json:"addPlus,omitempty"`

	// Length is the length of the whole number as read, without the +.
	Length *int `yaml:"length" json:"length,omitempty"`
	// MinLength and MaxLength bound the length where Length is not given.
	MinLength *int `yaml:"minLength" json:"minLength,omitempty"`
	MaxLength *int `yaml:"maxLength" json:"maxLength,omitempty"`
	// Plus demands that the number was written with a +, or without one.
	Plus *bool `yaml:"plus" json:"plus,omitempty"`
	// From demands that the party is internal or external: an extension and a trunk caller with as many digits are not the
	// same. A party of whom the PBX does not tell fulfils neither. Not outgoing.
	From Origin `yaml:"from" json:"from,omitempty"`
}

// An Example is a number and what must become of it.
type Example struct {
	// Outgoing is a destination as a client writes it.
	Outgoing *string `yaml:"outgoing" json:"outgoing,omitempty"`
	// Incoming is a number as the PBX presents it, From whom.
	Incoming *string `yaml:"incoming" json:"incoming,omitempty"`
	// Forward is a forward target as the PBX keeps it.
	Forward *string `yaml:"forward" json:"forward,omitempty"`
	// Redirecting is the device that a call was redirected from, as the PBX presents it, From where.
	Redirecting *string `yaml:"redirecting" json:"redirecting,omitempty"`
	From        Origin  `yaml:"from" json:"from,omitempty"`
	// Is what comes out, or restricted or notKnown for a party of whom nothing is shown.
	Is string `yaml:"is" json:"is"`
}

// An Origin tells where a party is. The zero value means that the PBX does not tell.
type Origin string

// The origins of a party.
const (
	Internal Origin = "internal" // on this PBX, or known to it by an internal number
	External Origin = "external" // behind a trunk
)
