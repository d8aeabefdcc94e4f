package watch

import (
	"context"
	"database/sql"
	"strings"

	"pratique/watch/dmarc"
	"pratique/watch/tlsrpt"
)

// maxRows is how many rows of one report are kept; a report has a row for each
// address that sends, and spammers have many.
const maxRows = 2000

// cut bounds what a stranger wrote, in octets, and takes out what is not to be printed.
func cut(text string, most int) string {
	text = strings.ToValidUTF8(text, "")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}

const maxName = 100

// putDMARC keeps an aggregate report in the place of the same one: receivers send
// some again.
func (s *Store) putDMARC(ctx context.Context, tx *sql.Tx, r *dmarc.Report) error {
	org, id, domain := cut(r.Org, maxName), cut(r.ID, maxID), cut(r.Policy.Domain, maxDomain)
	if _, err := tx.ExecContext(ctx, "DELETE FROM dmarc WHERE org = ? AND report = ? AND domain = ?", org, id, domain); err != nil {
		return err
	}
	at := s.endOf(r.End)
	for _, rec := range r.Records[:min(len(r.Records), maxRows)] {
		source := "unknown"
		if rec.Source.IsValid() {
			source = rec.Source.String()
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO dmarc (org, report, domain, at, source, header_from, dkim, spf, disposition, auth, messages) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			org, id, domain, at, source, cut(rec.HeaderFrom, maxDomain), cut(rec.DKIM, 20), cut(rec.SPF, 20), cut(rec.Disposition, 20), unaligned(rec), rec.Count)
		if err != nil {
			return err
		}
	}
	return nil
}

// unaligned returns the domains that passed DKIM or SPF where DMARC did not pass:
// they tell whose program it is that sends.
func unaligned(r dmarc.Record) string {
	if r.Aligned() {
		return ""
	}
	var names []string
	add := func(kind string, all []dmarc.Auth) {
		for _, a := range all {
			if a.Result == "pass" && len(names) < 4 {
				names = append(names, kind+" "+a.Domain)
			}
		}
	}
	add("dkim", r.Signatures)
	add("spf", r.SPFResults)
	return cut(strings.Join(names, ", "), maxID)
}

// putTLS keeps a report on TLS in the place of the same one.
func (s *Store) putTLS(ctx context.Context, tx *sql.Tx, r *tlsrpt.Report) error {
	org, id, at := cut(r.Org, maxName), cut(r.ID, maxID), s.endOf(r.End)
	if _, err := tx.ExecContext(ctx, "DELETE FROM tls WHERE org = ? AND report = ?", org, id); err != nil {
		return err
	}
	left := maxRows
	put := func(p tlsrpt.Policy, result, mx, info string, sessions int) error {
		if sessions == 0 || left == 0 {
			return nil
		}
		left--
		_, err := tx.ExecContext(ctx, "INSERT INTO tls (org, report, domain, at, policy, result, mx, info, sessions) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			org, id, strings.ToLower(cut(p.Domain, maxDomain)), at, cut(p.Type, 40), result, strings.ToLower(cut(mx, maxDomain)), cut(info, maxID), sessions)
		return err
	}
	for _, p := range r.Policies {
		if err := put(p, resultSuccess, "", "", p.Succeeded); err != nil {
			return err
		}
		told := 0
		for _, f := range p.Failures {
			told += f.Sessions
			if err := put(p, cut(f.Result, 60), f.MX, f.Info, f.Sessions); err != nil {
				return err
			}
		}
		if err := put(p, "unexplained", "", "", p.Failed-min(p.Failed, told)); err != nil {
			return err
		}
	}
	return nil
}

const resultSuccess = "success"
