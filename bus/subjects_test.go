package bus

import (
	"testing"

	"pgregory.net/rapid"
)

func TestEventSubject(t *testing.T) {
	for device, want := range map[string]string{
		"1001":            "rcc.v1.main.on.1001.HeldEvent",
		"+16135925660":    "rcc.v1.main.on.+16135925660.HeldEvent",
		"#900":            "rcc.v1.main.on.#900.HeldEvent",
		"*72":             "rcc.v1.main.on.%2A72.HeldEvent",
		"":                "rcc.v1.main.on._.HeldEvent",
		"_":               "rcc.v1.main.on.%5F.HeldEvent",
		"alice@pbx.lab >": "rcc.v1.main.on.alice%40pbx%2Elab%20%3E.HeldEvent",
	} {
		got := eventSubject("main", device, "HeldEvent")
		if got != want {
			t.Errorf("%q: %s, want %s", device, got, want)
		}
		pbx, back, event, err := splitEvent(got)
		if err != nil || pbx != "main" || back != device || event != "HeldEvent" {
			t.Errorf("%s: %s %q %s %v", got, pbx, back, event, err)
		}
	}
	for _, bad := range []string{"", "rcc.v1.main.on.1001", "rcc.v1.main.do.1001.X", "rcc.v2.main.on.1001.X", "rcc.v1.main.on.%zz.X",
		"rcc.v1.main.on.%2.X", "rcc.v1.main.on.a%41.X", "rcc.v1.main.on.%2a.X", "rcc.v1..on.1.X", "rcc.v1.main.on.1.", "rcc.v1.main.on..X"} {
		if _, _, _, err := splitEvent(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestDeviceToken(t *testing.T) {
	device := rapid.OneOf(rapid.SampledFrom([]string{"", "_", "1001", "+1", "*72", "#900", "a.b", "%41", "%2E", "\x00", "ü", " "}), rapid.String(),
		rapid.StringMatching(`[%0-9A-Fa-f._]*`), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	rapid.Check(t, func(t *rapid.T) {
		s := device.Draw(t, "s")
		token := escape(s)
		for i := range len(token) {
			if c := token[i]; c <= ' ' || c >= 0x7f || c == '.' || c == '*' || c == '>' {
				t.Fatalf("%q became %q", s, token)
			}
		}
		if back, err := unescape(token); err != nil || back != s {
			t.Fatalf("%q became %q and came back as %q, %v", s, token, back, err)
		}
		// A token means one device only.
		if device, err := unescape(s); err == nil && escape(device) != s {
			t.Fatalf("token %q means %q, which is written %q", s, device, escape(device))
		}
	})
}
