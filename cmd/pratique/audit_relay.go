package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"pratique/configs"
	"pratique/posture/relay"
)

// relayPatience bounds the whole of it: a server may take a second for each refusal.
const relayPatience = 10 * time.Minute

// auditRelay tries whether a server relays for strangers.
func auditRelay(e *env, args []string) (int, error) {
	fs := e.flags("audit relay")
	path := fs.String("config", "", "configuration `file` (default "+defaultConfig+")")
	asJSON := fs.Bool("json", false, "print one JSON object")
	from := fs.String("from", "", "local `address` to connect from: one that the server does not trust")
	timeout := fs.Duration("timeout", 0, "`time` to wait for each reply (default 30s)")
	names, err := e.parseNames(fs, args, 1, "HOST:PORT")
	if err != nil {
		return 0, err
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	o, err := relayOptions(cfg, names[0], *from)
	if err != nil {
		return 0, err
	}
	o.Timeout = *timeout
	ctx, cancel := context.WithTimeout(context.Background(), relayPatience)
	defer cancel()
	result := relay.Probe(ctx, o)
	if *asJSON {
		encoder := json.NewEncoder(e.stdout)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return relayStatus(result), encoder.Encode(struct {
			Verdict string `json:"verdict"`
			relay.Result
		}{relayVerdict(result), result})
	}
	return relayStatus(result), printRelay(e.stdout, result)
}

// relayOptions takes the addresses from the configuration: no others are ever used.
func relayOptions(cfg *configs.Config, target, from string) (relay.Options, error) {
	o := relay.Options{Target: target, Recipient: cfg.Audit.RelayRecipient, Sender: cfg.Audit.RelaySender, Helo: hostname(cfg)}
	if o.Recipient == "" {
		return o, hint(errors.New("there is no address of yours to try with: [audit] relay_recipient is not set"),
			`name an address of your own at another provider, relay_recipient = "you@elsewhere.example"; nothing is delivered there`)
	}
	if from != "" {
		addr, err := netip.ParseAddr(from)
		if err != nil {
			return o, fmt.Errorf("--from: %q is no address", from)
		}
		o.From = addr
	}
	if o.Sender == "" {
		o.Sender = o.Recipient
	} else {
		_, domain, _ := strings.Cut(o.Sender, "@")
		o.Own = append(o.Own, domain)
	}
	if host, _, err := net.SplitHostPort(target); err == nil && net.ParseIP(host) == nil && strings.Contains(host, ".") {
		o.Own = append(o.Own, host)
	}
	if cfg.Hostname != "" {
		o.Own = append(o.Own, cfg.Hostname)
	}
	return o, o.Check()
}

// relayStatus is the exit status: 0 it relays for nobody, 1 that is not known of some
// form, 2 it relays.
func relayStatus(r relay.Result) int {
	switch {
	case r.Count(relay.Accepted) > 0:
		return exitFailure
	case r.Trouble != "" || r.Count(relay.Refused) < len(r.Attempts):
		return exitFindings
	}
	return exitClean
}

func relayVerdict(r relay.Result) string {
	return []string{"closed", "unknown", "open"}[relayStatus(r)]
}

func printRelay(w io.Writer, r relay.Result) error {
	if len(r.Attempts) == 0 {
		_, err := fmt.Fprintf(w, "It is not known whether %s relays, for nothing could be tried: %s\n", r.Target, printable(r.Trouble))
		return err
	}
	fmt.Fprintf(w, "%s (%s), asked from %s: %s\n\n", r.Target, r.Peer, r.From, printable(r.Greeting))
	for _, a := range r.Attempts {
		word := map[relay.Outcome]string{relay.Accepted: "RELAYS", relay.Undecided: "unknown", relay.Deferred: "unknown", relay.Failed: "unknown"}[a.Outcome]
		if word == "" {
			word = "refused"
		}
		fmt.Fprintf(w, "%-8s %s: MAIL FROM:%s RCPT TO:%s\n         %s\n", word, a.Form, a.Mail, a.Rcpt, strings.TrimSpace(printable(a.Reply)+" "+explainOutcome(a)))
	}
	fmt.Fprintln(w)
	switch relayStatus(r) {
	case exitFailure:
		fmt.Fprintf(w, "It relays: %d of %d forms were accepted, and spammers will find them.\n", r.Count(relay.Accepted), len(r.Attempts))
		if trusted(r) {
			fmt.Fprintln(w, "But it was asked from this machine, which it may trust (Postfix: mynetworks): ask again from elsewhere, or with --from.")
		} else {
			fmt.Fprintln(w, "Postfix: smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination")
			fmt.Fprintln(w, "Where that is so already, mynetworks or relay_domains is too wide: pratique audit mta, on that host, tells.")
		}
	case exitFindings:
		if r.Trouble != "" {
			fmt.Fprintf(w, "%s.\n", printable(r.Trouble))
		}
		fmt.Fprintf(w, "Of %d of %d forms it is not known whether it relays; the others were refused.\n", len(r.Attempts)-r.Count(relay.Refused), len(r.Attempts))
	default:
		fmt.Fprintf(w, "It does not relay: all of %d forms were refused.\n", len(r.Attempts))
	}
	_, err := fmt.Fprintln(w, "Nothing was sent.")
	return err
}

// trusted reports whether the server was asked from its own machine.
func trusted(r relay.Result) bool {
	peer, perr := netip.ParseAddrPort(r.Peer)
	from, ferr := netip.ParseAddrPort(r.From)
	return perr == nil && ferr == nil && peer.Addr() == from.Addr()
}

func explainOutcome(a relay.Attempt) string {
	switch {
	case a.Outcome == relay.Undecided && strings.HasPrefix(a.Reply, "2"):
		return "(it takes any mailbox of that domain, so this may be one of its own)"
	case a.Outcome == relay.Undecided:
		return "(it refuses its own postmaster in the same words, so the reason is another one)"
	case a.Outcome == relay.Deferred:
		return "(temporary: it says nothing about the next try)"
	}
	return ""
}

// printable keeps what a server says from steering a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text)
}
