package records

import (
	"errors"
	"testing"
	"time"
)

func TestConclude(t *testing.T) {
	key := privateKey(t, newEd25519(t))
	good := Answer{Server: "ns1 (192.0.2.1:53)", Records: []string{key.Record()}, TTL: time.Minute}
	longer := Answer{Server: "ns4", Records: []string{key.Record()}, TTL: time.Hour}
	testing := Answer{Server: "ns5", Records: []string{key.Record() + "; t=y"}, TTL: time.Minute}
	none := Answer{Server: "ns2"}
	also := Answer{Server: "ns6"}
	silent := Answer{Server: "ns3", Err: errors.New("timed out")}
	const missing = "there is no record: receivers can't verify"
	for name, c := range map[string]struct {
		answers  []Answer
		state    State
		text     string
		warnings int
		ttl      time.Duration
	}{
		"nobody":               {nil, Unknown, "no server was found to ask", 0, 0},
		"one":                  {[]Answer{good}, Match, "published, and fits the key", 0, time.Minute},
		"two":                  {[]Answer{longer, good}, Match, "published at all of 2 servers, and fits the key", 0, time.Hour},
		"a warning":            {[]Answer{testing}, Match, "published, and fits the key", 1, time.Minute},
		"none":                 {[]Answer{none, also}, Missing, missing, 0, 0},
		"silent":               {[]Answer{silent}, Unknown, "timed out", 0, 0},
		"one is silent":        {[]Answer{good, silent}, Unknown, "published at 1 of 2 servers; ns3: timed out", 0, time.Minute},
		"one lacks it":         {[]Answer{good, none, also}, Missing, "published at 1 of 3 servers; ns2, ns6: " + missing, 0, time.Minute},
		"silent, then lacking": {[]Answer{silent, none, good}, Missing, "published at 1 of 3 servers; ns3: timed out; ns2: " + missing, 0, time.Minute},
		"lacking, then silent": {[]Answer{none, silent}, Missing, "published at 0 of 2 servers; ns2: " + missing + "; ns3: timed out", 0, 0},
	} {
		s := Conclude(c.answers, key)
		if s.State != c.state || s.Text != c.text || len(s.Warnings) != c.warnings || s.TTL != c.ttl || len(s.Servers) != len(c.answers) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
