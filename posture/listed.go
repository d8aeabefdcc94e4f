package posture

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"pratique/posture/blocklist"
	"pratique/posture/dmarc"
)

// blocklists asks the lists for the sending addresses and the domains of From and
// MAIL FROM.
func (a *audit) blocklists(ctx context.Context) []Finding {
	if len(a.Lists) == 0 {
		return []Finding{{Topic: "blocklists", Subject: "all", Code: "blocklists_off", Status: Info, Found: "no list was asked"}}
	}
	results := blocklist.Check(ctx, a.dns, a.Lists, a.public(), a.registered())
	var found []Finding
	clean, told := map[string]int{}, map[string]bool{}
	var subjects []string
	var left []blocklist.Result
	for _, r := range results {
		told[r.Subject] = told[r.Subject] || r.State != blocklist.Unknown
		switch r.State {
		case blocklist.Listed:
			found = append(found, listed(r))
		case blocklist.Unknown:
			if !slices.ContainsFunc(left, func(other blocklist.Result) bool { return other.List.Zone == r.List.Zone }) {
				left = append(left, r)
			}
		default:
			if clean[r.Subject] == 0 {
				subjects = append(subjects, r.Subject)
			}
			clean[r.Subject]++
		}
	}
	for _, subject := range subjects {
		found = append(found, Finding{Topic: "blocklists", Subject: subject, Code: "not_listed", Status: OK,
			Found: "not on " + plural(clean[subject], "list that was asked", "lists that were asked")})
	}
	found = append(found, leftOut(left)...)
	for _, r := range results {
		if !told[r.Subject] {
			told[r.Subject] = true
			found = append(found, Finding{Topic: "blocklists", Subject: r.Subject, Code: "no_list_told", Status: Unknown, Found: "no list could be asked"})
		}
	}
	return found
}

// registered returns the sending domains, and those that they were registered as, by
// which most lists have them.
func (a *audit) registered() []string {
	all := a.domains()
	for _, domain := range a.domains() {
		all = append(all, dmarc.Organizational(domain))
	}
	return once(all)
}

func listed(r blocklist.Result) Finding {
	f := Finding{Topic: "blocklists", Subject: r.Subject, Code: "listed", Status: Warn, List: r.List.Zone,
		Found: fmt.Sprintf("is on %s (%s): %s", r.List.Name, r.List.Zone, strings.Join(r.Codes, "; ")), Means: r.List.Note}
	if r.List.Weight == blocklist.Heavy {
		f.Status = Fail
		f.Means = strings.TrimPrefix(r.List.Note+"; many receivers refuse mail for it", "; ")
	}
	if r.Reason != "" {
		f.Details = []string{r.Reason}
	}
	f.Do = "find out what was sent and stop it first; then"
	if r.List.Delist != "" {
		f.Do += " ask for removal: " + r.List.Delist
	} else {
		f.Do += " ask the list's owner for removal"
	}
	return f
}

// leftOut says that nothing is known from lists. A heavy one that can't be asked is a
// gap in the audit; of the others there are always some that do not answer.
func leftOut(results []blocklist.Result) []Finding {
	var found []Finding
	var slight, zones []string
	for _, r := range results {
		text := fmt.Sprintf("%s (%s): %s", r.List.Name, r.List.Zone, r.Reason)
		if r.List.Weight != blocklist.Heavy {
			slight, zones = append(slight, text), append(zones, r.List.Zone)
			continue
		}
		found = append(found, Finding{Topic: "blocklists", Subject: r.List.Zone, Code: "list_left_out", Status: Unknown, Left: []string{r.List.Zone},
			Found: "was left out, and says nothing either way: " + text,
			Do:    "ask it through a resolver of your own ([dns] resolver), or switch it off: [[audit.blocklists]] zone = \"" + r.List.Zone + "\", kind = \"off\""})
	}
	if len(slight) > 0 {
		found = append(found, Finding{Topic: "blocklists", Subject: "lesser lists", Code: "lists_left_out", Status: Info, Left: zones,
			Found: plural(len(slight), "list that few receivers look at was left out, and says nothing either way", "lists that few receivers look at were left out, and say nothing either way"), Details: slight})
	}
	return found
}
