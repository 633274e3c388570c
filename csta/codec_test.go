package csta

import "testing"

func TestSmoke(t *testing.T) {
	in := `<?xml version="1.0"?><MakeCall xmlns="http://www.ecma-international.org/standards/ecma-323/csta/ed3"><callingDevice>tel:1001;phone-context=dialstring</callingDevice><calledDirectoryNumber>tel:1002</calledDirectoryNumber><autoOriginate>doNotPrompt</autoOriginate><extensions><privateData><private><lcs:line xmlns:lcs="http://schemas.microsoft.com/Lcs/2005/04/RCCExtension">tel:1001;phone-context=dialstring</lcs:line></private></privateData></extensions></MakeCall>`
	m, ed, err := Decode([]byte(in))
	t.Logf("%+v %v %v", m, ed, err)
	b, err := Encode(m, "ed4/privA")
	t.Logf("%s %v", b, err)
}
