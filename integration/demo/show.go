package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"pratique/integration/harness"
	"pratique/signing"
	"pratique/signing/verifytest"
)

// showDelivered shows the good message as the sink received it, and has its signatures verified.
func (d *demo) showDelivered(ctx context.Context) error {
	d.title("What was delivered")
	delivery, err := d.sink.Await(ctx, "Subject: "+goodSubject+"\r\n")
	if err != nil {
		return fmt.Errorf("%w\n%s", err, d.postfix.Log())
	}
	head, body, _ := bytes.Cut(delivery.Data, []byte("\r\n\r\n"))
	d.line("envelope", "from <%s> to <%s>", delivery.From, strings.Join(delivery.Recipients, ">, <"))
	d.line("header", "%s", head)
	d.line("body", "%d octets", len(body))
	d.blank()
	return d.verify(ctx, delivery.Data)
}

// showRates prints the counters once they hold all that was accepted: the daemon saves them about once a second.
func (d *demo) showRates(ctx context.Context) error {
	d.title("What was counted")
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		cmd := exec.CommandContext(ctx, d.binary, "rates", "--config", d.pratique.Config())
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("pratique rates: %w\n%s", err, out)
		}
		missing := missingCounts(string(out))
		if missing == "" {
			d.line("", "%s", out)
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("pratique rates does not show %s:\n%s", missing, out)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// showWhy prints the story of a message that was refused.
func (d *demo) showWhy(ctx context.Context) error {
	d.title("What the journal tells of a message that was refused")
	cmd := exec.CommandContext(ctx, d.binary, "why", "--config", d.pratique.Config(), "--check", "scanning", "--verdict", "refused", "--last", "1", "--full")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("pratique why: %w\n%s", err, out)
	}
	d.line("", "%s", out)
	return nil
}

// missingCounts returns what the table of counters should hold, and does not, or "".
func missingCounts(table string) string {
	for sender, messages := range map[string]string{"sender@example.org": "1", "news@example.org": "5"} {
		found := false
		for line := range strings.Lines(table) {
			columns := strings.Fields(line)
			found = found || len(columns) > 1 && columns[0] == sender && columns[1] == messages
		}
		if !found {
			return messages + " messages of " + sender
		}
	}
	return ""
}

// verify has verifiers that share no code with us judge the signatures, with the
// public keys that would be in the DNS.
func (d *demo) verify(ctx context.Context, message []byte) error {
	for _, v := range verifytest.All() {
		results, err := v.Ask(ctx, d.dir, message, d.keys.Records)
		if err != nil {
			return err
		}
		passed := map[string]bool{}
		for i, r := range results {
			d.line(label(v.Name, i), "%s", verdict(v, r))
			passed[r.Selector] = r.Err == nil
		}
		if !passed[harness.RSASelector] || v.Ed25519 && !passed[harness.Ed25519Selector] {
			return fmt.Errorf("%s does not confirm the signatures", v.Name)
		}
	}
	return nil
}

func verdict(v verifytest.Verifier, r signing.Result) string {
	said := "pass"
	switch {
	case r.Err == nil:
	case !v.Ed25519 && r.Selector == harness.Ed25519Selector:
		said = "does not know Ed25519:"
	default:
		said = "fail (" + r.Err.Error() + ")"
	}
	return fmt.Sprintf("%s a=%s d=%s s=%s", said, r.Algorithm, r.Domain, r.Selector)
}
