package main

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/emersion/go-message/textproto"
	"github.com/emersion/go-milter"

	"pratique/configs"
)

// checkMilter plays a message through every address that the running daemon should listen on.
func checkMilter(ctx context.Context, e *env, cfg *configs.Config) []finding {
	var found []finding
	for _, address := range cfg.Listen {
		f := finding{"milter", address, "ok", ""}
		var err error
		if f.Text, err = playCanary(ctx, e, cfg, address); err != nil {
			f.State, f.Text = "failed", err.Error()
		}
		found = append(found, f)
	}
	return found
}

// playCanary plays a message as an MTA does, from the machine itself, and says
// how it fared. It is counted as sent, for the daemon can't tell it from mail.
func playCanary(ctx context.Context, e *env, cfg *configs.Config, address string) (string, error) {
	network, target := dialAddress(address)
	client := milter.NewClientWithOptions(network, target, milter.ClientOptions{
		Dialer:      contextDialer{ctx},
		ReadTimeout: checkPatience, WriteTimeout: checkPatience,
		ActionMask: milter.OptAddHeader | milter.OptChangeHeader | milter.OptQuarantine,
	})
	session, err := client.Session()
	if err != nil {
		return "", fmt.Errorf("no answer: %w", err)
	}
	defer session.Close()
	modifications, action, err := converse(session, testLetter(e, cfg))
	if err != nil {
		return "", err
	}
	if action.Code != milter.ActAccept && action.Code != milter.ActContinue {
		return "", fmt.Errorf("a test message from 127.0.0.1 was answered: %s", describe(action))
	}
	return fmt.Sprintf("a test message was accepted, %s", signatures(modifications)), nil
}

// dialAddress is where a client reaches what listens on address.
func dialAddress(address string) (network, target string) {
	kind, rest, _ := strings.Cut(address, ":")
	if kind == "unix" || kind == "local" {
		return "unix", rest
	}
	if port, host, ok := strings.Cut(rest, "@"); ok { // as sendmail writes it
		rest = net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	return "tcp", reachable(rest)
}

// contextDialer ends a dial when the context does.
type contextDialer struct{ ctx context.Context }

func (d contextDialer) Dial(network, address string) (net.Conn, error) {
	var dialer net.Dialer
	return dialer.DialContext(d.ctx, network, address)
}

// letter is a message to play.
type letter struct {
	sender string
	header textproto.Header
	body   string
}

// testLetter is a message without anything wrong in it, from a domain that has a key if there is one.
func testLetter(e *env, cfg *configs.Config) letter {
	domain := hostname(cfg)
	for _, d := range cfg.Signing.Domains {
		domain = strings.Replace(d.Domain, "*", "check", 1)
		break
	}
	sender := "postmaster@" + domain
	var header textproto.Header
	now := e.now()
	header.Add("MIME-Version", "1.0")
	header.Add("Content-Type", "text/plain; charset=us-ascii")
	header.Add("Message-ID", fmt.Sprintf("<check.%d@%s>", now.UnixNano(), domain))
	header.Add("Date", now.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	header.Add("Subject", "pratique check")
	header.Add("To", sender)
	header.Add("From", sender)
	return letter{sender, header, "This message tests the mail filter. It is not delivered.\r\n"}
}

// converse plays one message.
func converse(s *milter.ClientSession, l letter) ([]milter.ModifyAction, *milter.Action, error) {
	steps := []struct {
		name string
		send func() (*milter.Action, error)
	}{
		{"connect", func() (*milter.Action, error) { return s.Conn("localhost", milter.FamilyInet, 25, "127.0.0.1") }},
		{"helo", func() (*milter.Action, error) { return s.Helo("localhost") }},
		{"mail", func() (*milter.Action, error) { return s.Mail(l.sender, nil) }},
		{"rcpt", func() (*milter.Action, error) { return s.Rcpt(l.sender, nil) }},
		{"header", func() (*milter.Action, error) { return s.Header(l.header) }},
		{"body", func() (*milter.Action, error) { return s.BodyChunk([]byte(l.body)) }},
	}
	for _, step := range steps {
		action, err := step.send()
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", step.name, err)
		}
		if action.Code != milter.ActContinue {
			return nil, action, nil
		}
	}
	return s.End()
}

func describe(a *milter.Action) string {
	if a.Code == milter.ActReplyCode {
		return fmt.Sprintf("%d %s", a.SMTPCode, a.SMTPText)
	}
	return fmt.Sprintf("%q", rune(a.Code))
}

func signatures(modifications []milter.ModifyAction) string {
	n := 0
	for _, m := range modifications {
		if strings.EqualFold(m.HeaderName, "DKIM-Signature") {
			n++
		}
	}
	switch n {
	case 0:
		return "unsigned"
	case 1:
		return "with one signature"
	}
	return fmt.Sprintf("with %d signatures", n)
}
