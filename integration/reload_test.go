package integration

import (
	"errors"
	"strings"
	"testing"

	"pratique/integration/harness"
)

func TestReload(t *testing.T) {
	w := newWorld(t, tables{}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	c, err := harness.Dial(w.ctx, p.Addr(), "") // one session, one connection to the milter, all through
	started(t, c, err)
	send := func(subject string) harness.Answer {
		t.Helper()
		answer, err := c.Send(mail(harness.Letter(subject)))
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}

	if answer := send("first"); !answer.Accepted() {
		t.Fatalf("answered %s", answer)
	}
	if err := w.pratique.Reload(w.ctx, tables{access: `networks = ["192.0.2.0/24"]`}.toml()); err != nil {
		t.Fatal(err)
	}
	w.refuses(send("second"), "MAIL", 550)

	err = w.pratique.Reload(w.ctx, tables{access: `networks = ["127.0.0.1/8/9"]`}.toml())
	if !errors.Is(err, harness.ErrReload) || !strings.Contains(err.Error(), "networks[0]") {
		t.Fatalf("a broken configuration: %v", err)
	}
	w.refuses(send("third"), "MAIL", 550)

	if err := w.pratique.Reload(w.ctx, tables{}.toml()); err != nil {
		t.Fatal(err)
	}
	if answer := send("fourth"); !answer.Accepted() {
		t.Errorf("answered %s", answer)
	}
}
