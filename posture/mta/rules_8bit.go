package mta

import (
	"fmt"
	"slices"
	"strings"
)

const inputConversion = "force_mime_input_conversion"

// Converts reports whether Postfix can convert 8bit mail before the milter sees it
// (3.9). Where its version is not known, a compatibility level or the setting itself tells.
func (p *Postfix) Converts() bool {
	if _, known := p.defaults[inputConversion]; known || p.Version != "" {
		return known || p.atLeast("3.9")
	}
	_, set := p.set[inputConversion]
	return set || compareVersions(p.value("compatibility_level"), "3.9") >= 0
}

// convertsInput reports whether a cleanup service converts 8bit mail before the milter sees it.
func (p *Postfix) convertsInput(cleanup *service) bool {
	return p.Converts() && p.in(cleanup, inputConversion) == "yes" && p.in(cleanup, "disable_mime_input_processing") != "yes"
}

// convertsAllInput reports whether no 8bit mail comes to the queue.
func (p *Postfix) convertsAllInput() bool {
	cleanups := p.running("cleanup")
	return p.Converts() && p.isOn(inputConversion) && !slices.ContainsFunc(cleanups, func(s *service) bool { return !p.convertsInput(s) })
}

// converters are the services that convert 8bit mail at delivery.
func (p *Postfix) converters() []*service {
	return slices.DeleteFunc(p.running("smtp"), func(s *service) bool { return p.in(s, "disable_mime_output_conversion") == "yes" })
}

// judgeConversion: without force_mime_input_conversion 8bit mail is converted to
// quoted-printable when the next hop does not offer 8BITMIME, after it was signed.
func judgeConversion(p *Postfix, ours Ours) []Finding {
	if ours.Mends || p.convertsAllInput() || len(p.converters()) == 0 && len(p.running("smtp")) > 0 {
		return nil
	}
	const mend = "in pratique.toml, [survival]: mend = true"
	f := Finding{Status: Warn, Where: p.where(inputConversion), Found: inputConversion + " is off",
		Means: "An 8bit message to a next hop without 8BITMIME is converted after it was signed: the signature breaks.",
		Fix:   []string{postconf(inputConversion, "yes"), "or " + mend}}
	switch version := strings.TrimSpace("Postfix " + p.Version); {
	case !p.Converts() && p.isOn(inputConversion):
		f.Found, f.Fix = fmt.Sprintf("%s is set, and %s does not know it (3.9 does)", inputConversion, version), []string{mend}
	case !p.Converts():
		f.Status, f.Found, f.Fix = Info, version+" can't convert 8bit mail before it is signed (3.9 can)", []string{mend}
	case p.isOn(inputConversion):
		return p.judgeCleanupConversion(f)
	}
	return []Finding{f}
}

// judgeCleanupConversion tells which cleanup services do not convert, though main.cf says so.
func (p *Postfix) judgeCleanupConversion(f Finding) []Finding {
	const off = "disable_mime_input_processing"
	var found []Finding
	for _, s := range p.running("cleanup") {
		if p.convertsInput(s) {
			continue
		}
		f.Where, f.Services = p.whereIn(s, inputConversion), []string{s.String()}
		f.Found = fmt.Sprintf("%s of %s is off", inputConversion, s)
		f.Fix = []string{p.setter(s, inputConversion, "yes")}
		if p.in(s, off) == "yes" {
			f.Where, f.Found, f.Fix = p.whereIn(s, off), fmt.Sprintf("%s of %s is on: nothing is converted there", off, s), []string{p.setter(s, off, "no")}
		}
		found = append(found, f)
	}
	return found
}

// judgeDiscardedKeywords: without 8BITMIME, or EHLO at all, Postfix converts 8bit mail at every hop.
func judgeDiscardedKeywords(p *Postfix, ours Ours) []Finding {
	if ours.Mends || p.convertsAllInput() {
		return nil
	}
	var found []Finding
	for _, s := range p.converters() {
		found = append(found, p.judgeKeywordsOf(s)...)
	}
	return onceForFound(found)
}

func (p *Postfix) judgeKeywordsOf(s *service) []Finding {
	const keywords, maps, ehlo, discarded = "smtp_discard_ehlo_keywords", "smtp_discard_ehlo_keyword_address_maps", "smtp_never_send_ehlo", "8bitmime"
	about := func(where, found string, fix ...string) Finding {
		return Finding{Status: Warn, Where: where, Found: found, Fix: fix,
			Means: "Postfix converts 8bit messages there after they were signed: the signature breaks."}
	}
	var found []Finding
	if value := words(p.in(s, keywords)); contains(value, discarded) {
		found = append(found, about(p.whereIn(s, keywords), keywords+" has 8bitmime", p.setter(s, keywords, without(value, discarded))))
	}
	if p.in(s, ehlo) == "yes" {
		found = append(found, about(p.whereIn(s, ehlo), ehlo+" is on, so that 8BITMIME is never offered", p.setter(s, ehlo, "no")))
	}
	for _, t := range p.tables(p.in(s, maps)) {
		entries, err := t.entries()
		if err != nil {
			found = append(found, unread(p.whereIn(s, maps), t, err, "To hosts for which it says 8bitmime, 8bit messages are converted after they were signed."))
		}
		for _, e := range entries {
			if contains(words(e.value), discarded) {
				found = append(found, about(e.where(p.whereIn(s, maps)), fmt.Sprintf("%s gives %s 8bitmime", maps, e.key), "take 8bitmime out of the line"))
			}
		}
	}
	return found
}
