package posture

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"pratique/posture/lookup"
	"pratique/posture/spf"
)

// helo looks at the names that the MTA says in HELO (RFC 5321 4.1.1.1).
func (a *audit) helo(ctx context.Context) []Finding {
	if len(a.Routes) == 0 {
		return a.heloOf(ctx)
	}
	var found []Finding
	for _, r := range a.Routes {
		way := *a
		way.Hostname, way.HostnameSource, way.Addresses = r.Helo, r.Source, r.Addresses
		found = append(found, way.heloOf(ctx)...)
	}
	return found
}

// heloOf looks at the name of one way out.
func (a *audit) heloOf(ctx context.Context) []Finding {
	about := func(code string, s Status, text string) Finding {
		return Finding{Topic: "helo", Subject: or(a.Hostname, "this host"), Code: code, Status: s, Found: text}
	}
	switch {
	case a.Hostname == "":
		f := about("no_helo", Unknown, "the HELO name is not known")
		f.Do = `name it in the configuration: hostname = "mail.example.org"`
		return []Finding{f}
	case !lookup.Valid(a.Hostname) || !strings.Contains(a.Hostname, ".") || strings.HasSuffix(a.Hostname, ".localdomain") ||
		strings.HasSuffix(a.Hostname, ".local") || strings.ContainsAny(a.Hostname, "_[]"):
		f := about("helo_not_public", Fail, fmt.Sprintf("the HELO name (%s) is no name of the public DNS", a.HostnameSource))
		f.Means = "receivers refuse a HELO that is no full host name (Postfix: reject_non_fqdn_helo_hostname)"
		f.Do = "set a full name that leads to the sending address (Postfix: myhostname or smtp_helo_name)"
		return []Finding{f}
	}
	addrs, err := a.dns.AllAddresses(ctx, a.Hostname)
	if err != nil && len(addrs) == 0 {
		return []Finding{about("helo_unknown", Unknown, err.Error())}
	}
	if len(addrs) == 0 {
		f := about("helo_unresolvable", Fail, fmt.Sprintf("the HELO name (%s) has no address", a.HostnameSource))
		f.Means = "receivers refuse a HELO that leads nowhere (Postfix: reject_unknown_helo_hostname)"
		f.Do = "publish its address, or set smtp_helo_name to a name that has one"
		for _, addr := range a.public() {
			f.Publish = append(f.Publish, addressLine(a.Hostname, addr))
		}
		return []Finding{f}
	}
	return append(a.heloMatches(ctx, addrs, err, about), a.heloSPF(ctx, addrs)...)
}

// heloMatches holds the addresses of the HELO name against those that mail leaves from.
// With an error they may be not all that there are.
func (a *audit) heloMatches(ctx context.Context, addrs []netip.Addr, err error, about func(string, Status, string) Finding) []Finding {
	var missing []netip.Addr
	var lines []string
	for _, addr := range a.public() {
		if !slices.Contains(addrs, addr) {
			missing = append(missing, addr)
			lines = append(lines, addressLine(a.Hostname, addr))
		}
	}
	if len(missing) > 0 && err != nil {
		return []Finding{about("helo_unknown", Unknown, fmt.Sprintf("whether the HELO name leads to %s is not known: %v", join(missing), err))}
	}
	if len(missing) > 0 {
		f := about("helo_mismatch", Warn, fmt.Sprintf("the HELO name (%s) leads to %s, and not to %s, from which mail leaves", a.HostnameSource, join(addrs), join(missing)))
		f.Means = "receivers count it against a sender whose HELO name is not its own"
		f.Do = "add the addresses to the name, or set smtp_helo_name to the name of the address"
		f.Publish = lines
		return []Finding{f}
	}
	if len(a.Addresses) > 0 && len(a.public()) == 0 {
		return []Finding{about("helo_unknown", Unknown, fmt.Sprintf("the HELO name (%s) leads to %s; whether mail leaves from there is not known: the sending addresses are private", a.HostnameSource, join(addrs)))}
	}
	found := []Finding{about("helo_ok", OK, fmt.Sprintf("the HELO name (%s) leads to %s", a.HostnameSource, join(addrs)))}
	for _, addr := range a.Addresses {
		if names, _, err := a.dns.Names(ctx, addr); err == nil && len(names) > 0 && !slices.Contains(names, strings.ToLower(a.Hostname)) {
			f := about("helo_not_ptr", Info, fmt.Sprintf("the reverse DNS calls %s %s", addr, strings.Join(names, ", ")))
			f.Means = "that is allowed; the same name in both places is what receivers like best"
			found = append(found, f)
		}
	}
	return found
}

// heloSPF evaluates the SPF record of the HELO name, which bounces are held to (RFC 7208 2.4).
func (a *audit) heloSPF(ctx context.Context, addrs []netip.Addr) []Finding {
	var found []Finding
	for _, addr := range a.public() {
		v := spf.Check(ctx, a.dns, spf.Sender{Addr: addr, Helo: a.Hostname}, a.Hostname)
		f := Finding{Topic: "helo", Subject: a.Hostname, Code: "helo_spf_" + string(v.Result)}
		switch v.Result {
		case spf.Pass:
			f.Status, f.Found = OK, fmt.Sprintf("its SPF record permits %s", addr)
		case spf.None:
			f.Status, f.Found = Info, "the HELO name has no SPF record"
			f.Means = "bounces (null sender) are not authenticated by SPF"
			a.heloRecord(ctx, addrs, &f)
			return append(found, f)
		case spf.TempError:
			f.Status, f.Found = Unknown, "its SPF record can't be evaluated: "+v.Text
		default:
			f.Status, f.Found = Warn, fmt.Sprintf("its SPF record says %s for %s: %s", v.Result, addr, reason(v))
			f.Means = "bounces (null sender) may be refused"
			a.heloRecord(ctx, addrs, &f)
		}
		found = append(found, f)
	}
	return found
}

// heloRecord adds to a finding the line that publishes an SPF record for the HELO name, in
// place of the one there, if there is one. Without one, the name's own addresses will do.
func (a *audit) heloRecord(ctx context.Context, addrs []netip.Addr, f *Finding) {
	s := spf.Look(ctx, a.dns, a.Hostname)
	led := !slices.ContainsFunc(a.public(), func(addr netip.Addr) bool { return !slices.Contains(addrs, addr) })
	if s.Has(spf.NoRecord) && led {
		f.Publish = []string{txtLine(a.Hostname, "v=spf1 a -all")}
		return
	}
	if mended, ok := spf.Mend(ctx, a.dns, s, a.Hostname, a.public()); ok {
		f.Publish = []string{txtLine(a.Hostname, mended.Text)}
		f.Do = inPlace(f.Do, len(s.Texts)+len(s.Resembling), mended.Left)
	}
}
