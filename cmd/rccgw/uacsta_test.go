package main

import (
	"testing"

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
			pbxtest.LinkParties: "a line's snapshot does not show who of the others left a conference",
			pbxtest.VoiceMail:   "message waiting is not asked for after a lost dialog",
		}
		far.counts("sip_dialogs", len(simtest.Devices))
		t.Cleanup(func() { far.counts("sip_dialogs", len(simtest.Devices)) })
		return b
	})
}
