package redis

import (
	"fmt"
	"slices"
	"testing"

	"pratique/rates"
)

func TestSurvey(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	a, b := openCounts(t, options(socketURL(r), "a")), openCounts(t, options(socketURL(r), "b"))
	for i := range 500 {
		for range i%3 + 1 {
			if ok, err := send(a, fmt.Sprintf("k%03d", i), 100); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
	}
	send(b, "2001:db8::1", 100)
	if _, _, err := b.Reserve(t.Context(), one("k000", 100)); err != nil { // under way
		t.Fatal(err)
	}
	settled(t, a, b)
	levels, more, err := Survey(t.Context(), options(socketURL(r), ""))
	if err != nil || more || len(levels) != 501 {
		t.Fatalf("%d levels, more: %v, %v", len(levels), more, err)
	}
	for key, want := range map[string]uint64{"k000": 2, "k001": 2, "k499": 2, "2001:db8::1": 1} {
		i := slices.IndexFunc(levels, func(l Level) bool { return l.Key == key })
		if i < 0 || levels[i] != (Level{Kind: rates.PerClient.String(), Key: key, Count: rates.CountMessages.String(), Every: 3600, Used: want}) {
			t.Errorf("%s: %d", key, i)
		}
	}
	wantWhole(t, admin(t, r), true)
	opts := options(socketURL(r), "")
	opts.Prefix = "other"
	if levels, _, err := Survey(t.Context(), opts); err != nil || len(levels) != 0 {
		t.Errorf("others have %d levels, %v", len(levels), err)
	}
}
