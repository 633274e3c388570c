package main

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"rccgw/csta"
	"rccgw/pbx"
	"rccgw/pbx/pbxtest"
	"rccgw/pbx/sim/simtest"
)

// A gateway behind a gateway: two clients share each line here, with a digit plan, and
// the PBX's gateway, which has none, has one dialog for it.
func TestGatewayBehindGateway(t *testing.T) {
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		s := simtest.New(t)
		inHands(t, s)
		far := startGateway(t, "RCC_PBX_SIM_DRIVER=test")
		near := startTLSGateway(t, "RCC_PBX=far", "RCC_PBX_FAR_DRIVER=uacsta", "RCC_PBX_FAR_ADDRESS=tcp://"+far.sip["tcp"], "RCC_PBX_FAR_RETRY=20ms",
			"RCC_PBX_FAR_LINES=1001-1006", "RCC_PBX_FAR_DIGITS="+benchPlan)
		b := simBenchOn(t, s, near, func(g *gatewayUnderTest, device string) client { return g.household(device) })
		for _, l := range append(b.Lines, b.Impatient, b.Offered) {
			l.Person.Message = nil
		}
		b.Lacks = map[pbxtest.Ability]string{
			pbxtest.LinkWaiting: "a line's snapshot does not show who has left an orbit or a queue",
			pbxtest.VoiceMail:   "message waiting is not asked for after a lost dialog",
		}
		far.counts("sip_dialogs", len(simtest.Devices))
		t.Cleanup(func() { far.counts("sip_dialogs", len(simtest.Devices)) })
		return b
	})
}

// A PBX may have a companion, whose settings are those of a name of its own. The PBX's
// other abilities stay.
func TestCompanion(t *testing.T) {
	own := []string{"RCC_PBX=main", "RCC_PBX_MAIN_COMPANION=phones", "RCC_PBX_PHONES_ADDRESS=udp://127.0.0.1:9", "RCC_PBX_PHONES_TIMEOUT=100ms"}
	c, err := load(environ(t, own...))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := c.pbxs[0].build(slog.New(slog.DiscardHandler)); err != nil || len(c.pbxs) != 1 {
		t.Errorf("%v, %d PBXs", err, len(c.pbxs))
	} else if _, ok := d.(*pbx.Companion); !ok {
		t.Errorf("the driver is a %T", d)
	}
	g := startGateway(t, own...)
	resp, err := http.Get("http://" + g.http + "/pbx/main/phones")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the PBX's phones: %s", resp.Status)
	}
	if f, err := csta.Call(t.Context(), g.open("tcp", "tel:1001"), &csta.GetCSTAFeatures{}); err != nil || !f.Supports(&csta.AnswerCall{}) {
		t.Errorf("a line whose phone cannot be reached: %v", err)
	}
	for what, variables := range map[string][]string{
		`RCC_PBX_MAIN_COMPANION="main"`:                             {"RCC_PBX=main", "RCC_PBX_MAIN_COMPANION=main"},
		`RCC_PBX_MAIN_COMPANION="a.b"`:                              {"RCC_PBX=main", "RCC_PBX_MAIN_COMPANION=a.b"},
		`RCC_PBX_MAIN_COMPANION="other"`:                            {"RCC_PBX=main,other", "RCC_PBX_MAIN_COMPANION=other"},
		`RCC_PBX_B_COMPANION="phones": is the companion of another`: {"RCC_PBX=a,b", "RCC_PBX_A_COMPANION=phones", "RCC_PBX_B_COMPANION=phones", "RCC_PBX_PHONES_ADDRESS=udp://127.0.0.1:9"},
		`RCC_PBX_PHONES_ADDRESS: missing`:                           {"RCC_PBX=main", "RCC_PBX_MAIN_COMPANION=phones"},
		`RCC_PBX_PHONES_DRIVER="nortel"`:                            {"RCC_PBX=main", "RCC_PBX_MAIN_COMPANION=phones", "RCC_PBX_PHONES_DRIVER=nortel"},
		`RCC_PBX_PHONES_LINES: is not a setting`:                    {"RCC_PBX=main", "RCC_PBX_MAIN_COMPANION=phones", "RCC_PBX_PHONES_ADDRESS=udp://127.0.0.1:9", "RCC_PBX_PHONES_LINES=1"},
	} {
		if _, err := load(environ(t, variables...)); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
