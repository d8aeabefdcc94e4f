package lint

import (
	"net/url"
	"strings"
)

// Rules on the fields of lists and bulk mail.

func unsubscribeMissing(h *header) {
	if h.isBulk() && !h.has("List-Unsubscribe") {
		h.found("List-Unsubscribe", "")
	}
}

// oneClick is the one value of List-Unsubscribe-Post (RFC 8058 3.1).
const oneClick = "List-Unsubscribe=One-Click"

func oneClickMissing(h *header) {
	i := h.first("List-Unsubscribe")
	if i < 0 || !h.isBulk() {
		return // L01 speaks of a missing one
	}
	post := h.first("List-Unsubscribe-Post")
	switch {
	case !hasHTTPS(h.fields[i].Unfolded()):
		h.foundAt(i, "no https URI: "+shown(h.fields[i].Unfolded()))
	case post < 0 || !isOneClick(h.fields[post].Unfolded()):
		h.found("List-Unsubscribe-Post", "not \""+oneClick+"\"")
	}
}

func isOneClick(value string) bool {
	return strings.EqualFold(strings.TrimSpace(stripComments(value)), oneClick)
}

func hasHTTPS(value string) bool {
	for _, uri := range angled(value) {
		if u, err := url.Parse(uri); err == nil && strings.EqualFold(u.Scheme, "https") && u.Host != "" {
			return true
		}
	}
	return false
}

// angled returns what stands in angle brackets (RFC 2369 2).
func angled(value string) []string {
	var uris []string
	for {
		_, rest, ok := strings.Cut(value, "<")
		if !ok {
			return uris
		}
		uri, after, ok := strings.Cut(rest, ">")
		if !ok {
			return uris
		}
		uris = append(uris, strings.Join(strings.Fields(uri), "")) // white space inside is folding
		value = after
	}
}

func postAlone(h *header) {
	i := h.first("List-Unsubscribe-Post")
	switch {
	case i < 0:
	case !h.has("List-Unsubscribe"):
		h.foundAt(i, "there is no List-Unsubscribe")
	case !isOneClick(h.fields[i].Unfolded()):
		h.foundAt(i, shown(h.fields[i].Unfolded()))
	case !h.isBulk() && !hasHTTPS(h.fields[h.first("List-Unsubscribe")].Unfolded()):
		h.foundAt(i, "List-Unsubscribe has no https URI to post to")
	}
}

// listFields hold URIs in angle brackets (RFC 2369 3).
var listFields = [...]string{"List-Unsubscribe", "List-Subscribe", "List-Help", "List-Post", "List-Owner", "List-Archive"}

func listURIs(h *header) {
	for _, name := range listFields {
		i := h.first(name)
		if i < 0 {
			continue
		}
		value := h.fields[i].Unfolded()
		no := name == "List-Post" && strings.EqualFold(strings.TrimSpace(stripComments(value)), "NO") // RFC 2369 3.4
		if len(angled(value)) == 0 && !no {
			h.foundAt(i, "no URI in angle brackets: "+shown(value))
		}
		if second := h.second(name); second >= 0 {
			h.foundAt(second, "a second one")
		}
	}
}

// listIDMalformed holds List-Id to [phrase] "<" list-id ">" (RFC 2919 3).
func listIDMalformed(h *header) {
	i := h.first("List-Id")
	if second := h.second("List-Id"); second >= 0 {
		h.foundAt(second, "a second one")
	}
	if i < 0 || h.refused(i) {
		return
	}
	value := strings.TrimSpace(h.fields[i].Unfolded())
	begin, end := strings.LastIndexByte(value, '<'), strings.LastIndexByte(value, '>')
	if begin < 0 || end < begin {
		h.foundAt(i, "no id in angle brackets: "+shown(value))
		return
	}
	id := value[begin+1 : end]
	if id == "" || strings.ContainsAny(id, " \t\"@<>") || !strings.Contains(id, ".") || strings.Contains(id, "..") {
		h.foundAt(i, "an id like a domain name is wanted: "+shown(id))
	}
}

func feedbackMissing(h *header) {
	if h.isBulk() && !h.has("CFBL-Address") {
		h.found("CFBL-Address", "")
	}
}
