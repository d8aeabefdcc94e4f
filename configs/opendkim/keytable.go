package opendkim

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// keyEntry is an entry of the KeyTable: domain:selector:path.
type keyEntry struct {
	domain   string // d=, or "%" for the domain of From
	selector string
	path     string // "%" in it is the signing domain
	file     string
	line     int
}

// keyTable finds keys by their names, upper and lower case apart.
type keyTable struct {
	entries  map[string]keyEntry
	patterns []namedKey // of a refile, in its order, between which literal names stand
	order    map[string]int
	names    []string // literal ones, in the order of the file
}

type namedKey struct {
	pattern string
	order   int
	keyEntry
}

// find returns the first entry for a name.
func (k *keyTable) find(name string) (keyEntry, bool) {
	e, ok := k.entries[name]
	for _, p := range k.patterns {
		if ok && k.order[name] < p.order {
			break
		}
		if glob(p.pattern, name) {
			return p.keyEntry, true
		}
	}
	return e, ok
}

// maxPatterns bounds what has to be tried one after the other.
const maxPatterns = 1000

// keyTable reads the KeyTable. Entries that can't be used are noted and left out.
func (r *reader) keyTable(s setting) (*keyTable, error) {
	k := &keyTable{entries: map[string]keyEntry{}, order: map[string]int{}}
	d, ok := r.dataSet(s)
	if !ok {
		return k, nil
	}
	count := 0
	err := r.each(d, func(it item) {
		count++
		e, problem, do := r.parseKey(it)
		if d.form == pattern && strings.ContainsAny(it.key, strange) {
			problem, do = fmt.Sprintf("the pattern %.80q has characters of a regular expression", it.key), "name the keys one by one"
		}
		_, twice := k.entries[it.key]
		switch {
		case problem != "":
			r.note(d.note(it, Lost, problem, do))
		case twice:
			r.note(d.note(it, Fine, fmt.Sprintf("%.80q has an entry already, which goes first", it.key), ""))
		case d.form == pattern && strings.Contains(it.key, "*"):
			if len(k.patterns) == maxPatterns {
				r.note(d.note(it, Lost, fmt.Sprintf("there are more than %d patterns", maxPatterns), "name the keys one by one"))
				return
			}
			k.patterns = append(k.patterns, namedKey{it.key, count, e})
		default:
			k.entries[it.key], k.order[it.key] = e, count
			k.names = append(k.names, it.key)
		}
	})
	return k, err
}

// parseKey takes domain:selector:path apart, as dkimf_db_datasplit does: what
// follows the second colon is the path, whatever is in it.
func (r *reader) parseKey(it item) (e keyEntry, problem, do string) {
	const mend = "write name domain:selector:/path/to/key"
	parts := strings.SplitN(it.value, ":", 3)
	if len(parts) < 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return e, fmt.Sprintf("%.80q has not all of domain:selector:path, and OpenDKIM answers 451 to what it should sign", it.key), mend
	}
	e = keyEntry{strings.ToLower(parts[0]), parts[1], parts[2], it.file, it.line}
	switch {
	case e.domain != strings.TrimSpace(e.domain) || e.selector != strings.TrimSpace(e.selector) || strings.ContainsAny(e.path, " \t"):
		return e, fmt.Sprintf("%.80q has white space within domain:selector:path, which OpenDKIM takes as it stands", it.key), mend
	case strings.HasPrefix(e.path, "/"):
		e.path = path.Clean(e.path)
	case strings.HasPrefix(e.path, "./") || strings.HasPrefix(e.path, "../"):
		if strings.Contains(e.path, "%") {
			return e, fmt.Sprintf("in %.80q %% stands in a relative path, where OpenDKIM leaves it as it is", it.key), "write the path from the root"
		}
		e.path = r.absolute(e.path)
	case strings.Contains(e.path, "/") && !strings.ContainsAny(e.path, "=+") && strings.Contains(e.path, "."):
		return e, fmt.Sprintf("the path of %.80q begins neither with / nor with ./, so OpenDKIM takes it for the key itself", it.key), "write the path from the root"
	default:
		return e, fmt.Sprintf("the key of %.80q stands in the table itself", it.key), "put it into a file of its own, with mode 0600, and name that"
	}
	return e, "", ""
}

// expand returns the domains for which there is a key file by a path with "%".
func (r *reader) expand(keyPath string) []string {
	head, tail, ok := strings.Cut(keyPath, "%")
	if !ok || strings.ContainsAny(keyPath, `*?[\`) {
		return nil
	}
	star := strings.ReplaceAll(keyPath, "%", "*")
	found, err := fs.Glob(r.files, strings.TrimPrefix(path.Clean(star), "/"))
	if err != nil {
		return nil // the only error is that of a bad pattern, which has none of its characters
	}
	next, _, _ := strings.Cut(tail, "%")
	var domains []string
	for _, name := range found {
		domain := strings.TrimPrefix("/"+name, head)
		if next != "" {
			domain, _, _ = strings.Cut(domain, next)
		}
		if strings.ReplaceAll(keyPath, "%", domain) == "/"+name && domain == strings.ToLower(domain) {
			domains = append(domains, domain)
		}
	}
	return domains
}
