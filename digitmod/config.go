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
	// Examples are checked whenever the plan is made. One that fails refuses the plan.
	Examples []Example `yaml:"examples" json:"examples,omitempty"`
}

// InternalConfig describes the numbers that are dialled without ARS.
type InternalConfig struct {
	// MaxLength is the length of the longest internal number, in digits; with 0 no number is internal by its length. A number
	// written with + is never internal.
	MaxLength int `yaml:"maxLength" json:"maxLength,omitempty"`
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
	// AddPlus puts a + in front of the result. Incoming only.
	AddPlus bool `yaml:"addPlus" json:"addPlus,omitempty"`

	// Length is the length of the whole number as read, without the +.
	Length *int `yaml:"length" json:"length,omitempty"`
	// MinLength and MaxLength bound the length where Length is not given.
	MinLength *int `yaml:"minLength" json:"minLength,omitempty"`
	MaxLength *int `yaml:"maxLength" json:"maxLength,omitempty"`
	// Plus demands that the number was written with a +, or without one.
	Plus *bool `yaml:"plus" json:"plus,omitempty"`
	// From demands that the party is internal or external: an extension and a trunk caller with as many digits are not the
	// same. A party of whom the PBX does not tell fulfils neither. Incoming only.
	From Origin `yaml:"from" json:"from,omitempty"`
}

// An Example is a number and what must become of it.
type Example struct {
	// Outgoing is a destination as a client writes it.
	Outgoing *string `yaml:"outgoing" json:"outgoing,omitempty"`
	// Incoming is a number as the PBX presents it, From whom.
	Incoming *string `yaml:"incoming" json:"incoming,omitempty"`
	From     Origin  `yaml:"from" json:"from,omitempty"`
	// Is what comes out, or restricted or notKnown for a party without a number.
	Is string `yaml:"is" json:"is"`
}

// An Origin tells where a party is. The zero value means that the PBX does not tell.
type Origin string

// The origins of a party.
const (
	Internal Origin = "internal" // on this PBX, or known to it by an internal number
	External Origin = "external" // behind a trunk
)
