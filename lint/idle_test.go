package lint

import (
	"context"
	"strings"
	"testing"

	"pratique/message"
)

// TestWithoutBodyRulesNoBodyIsRead holds that a body nobody judges is not even looked at.
func TestWithoutBodyRulesNoBodyIsRead(t *testing.T) {
	opts := DefaultOptions()
	opts.Rules = map[string]string{}
	for _, r := range Rules() {
		if r.part != nil || r.ended != nil || r.end != nil {
			opts.Rules[r.ID] = "off"
		}
	}
	body := "--b\r\n" + strings.Repeat("x", 2000) + "\r\n\xff\x00\r\n"
	for _, c := range []struct {
		opts Options
		idle bool
	}{{opts, true}, {DefaultOptions(), false}} {
		l, m := newLint(t, c.opts).Collecting(), fromAnn()
		idle := false
		watched := watcher{Check: l, header: func(i message.Inspector) { idle = i.(message.Idler).Idle() }}
		if err := message.Play(t.Context(), watched, m, strings.NewReader(plainHeader+"From: x@example.org\r\n\r\n"+body), nil); err != nil {
			t.Fatal(err)
		}
		header, bodies := 0, 0
		for _, f := range m.Findings {
			if strings.HasPrefix(f.Rule, "H0") {
				header++
			}
			if strings.HasPrefix(f.Rule, "M") {
				bodies++
			}
		}
		if idle != c.idle || header == 0 || (bodies == 0) != c.idle {
			t.Errorf("idle %v: %+v", idle, m.Findings)
		}
	}
}

// watcher is a check that shows its inspector once the header was judged.
type watcher struct {
	message.Check
	header func(message.Inspector)
}

func (w watcher) Begin(ctx context.Context, m *message.Message) (message.Inspector, error) {
	i, err := w.Check.Begin(ctx, m)
	return watchedInspector{i, w.header}, err
}

type watchedInspector struct {
	message.Inspector
	header func(message.Inspector)
}

func (w watchedInspector) Header() error {
	err := w.Inspector.Header()
	w.header(w.Inspector)
	return err
}
