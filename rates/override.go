package rates

import (
	"fmt"
	"strings"
	"time"
)

// limits are those of one kind, and what holds for single keys.
type limits struct {
	bounds []Bound // as they are for a key of which nothing special is said
	// For each of the bounds: the keys that it is for (nil: all), and those that
	// have another max (0: none).
	only  []*matcher[struct{}]
	other []*matcher[uint64]
	// Something is said of single keys.
	particular bool
}

// of returns the bounds that hold for a key.
func (l *limits) of(key string) []Bound {
	if !l.particular {
		return l.bounds
	}
	bounds := make([]Bound, 0, len(l.bounds))
	for i, b := range l.bounds {
		if l.only[i] != nil {
			if _, ok := l.only[i].find(key); !ok {
				continue
			}
		}
		if most, ok := l.other[i].find(key); ok {
			b.Max = most
		}
		if b.Max > 0 {
			bounds = append(bounds, b)
		}
	}
	return bounds
}

// limitsOf prepares options that have no Problems.
func limitsOf(o Options) [kinds]limits {
	var all [kinds]limits
	at := make([]int, len(o.Limits)) // of a limit among those of its kind
	for i, given := range o.Limits {
		b := newBound(given)
		if o.Observe {
			b.Then = actObserve
		}
		l := &all[b.Kind]
		at[i] = len(l.bounds)
		only := matcherOf(b.Kind, given.Keys, struct{}{}, o.IPv6Prefix)
		l.bounds, l.only, l.other = append(l.bounds, b), append(l.only, only), append(l.other, nil)
		l.particular = l.particular || only != nil
	}
	for _, given := range o.Overrides {
		i := given.limits(o.Limits)[0]
		k := Kind(index(kindNames[:], given.Per))
		l := &all[k]
		if l.other[at[i]] == nil {
			l.other[at[i]] = newMatcher[uint64](k)
		}
		for _, text := range given.Keys {
			p, _ := parsePattern(k, text, o.IPv6Prefix)
			l.other[at[i]].add(p, uint64(given.Max))
		}
		l.particular = true
	}
	return all
}

func matcherOf[V any](k Kind, keys []string, value V, ipv6Prefix int) *matcher[V] {
	if len(keys) == 0 {
		return nil
	}
	m := newMatcher[V](k)
	for _, text := range keys {
		p, _ := parsePattern(k, text, ipv6Prefix)
		m.add(p, value)
	}
	return m
}

// isFor reports whether a limit may hold for something that a pattern stands for.
func (l Limit) isFor(p pattern, ipv6Prefix int) bool {
	if len(l.Keys) == 0 {
		return true
	}
	k := Kind(max(index(kindNames[:], l.Per), 0))
	for _, text := range l.Keys {
		if own, err := parsePattern(k, text, ipv6Prefix); err == nil && p.network.IsValid() && own.network.Overlaps(p.network) {
			return true
		}
	}
	if p.network.IsValid() {
		return false
	}
	_, ok := matcherOf(k, l.Keys, struct{}{}, ipv6Prefix).find(p.name)
	return ok || !p.isKey()
}

// limits returns which of the limits an override is for.
func (v Override) limits(all []Limit) []int {
	var meant []int
	for i, l := range all {
		if l.Per == v.Per && l.Count == v.Count && (v.Every == 0 || l.Every == v.Every) && (v.Then == "" || l.Then == v.Then) {
			meant = append(meant, i)
		}
	}
	return meant
}

func (o Options) overrideProblems(report func(key, problem string)) {
	type owner struct {
		limit int
		pattern
	}
	first := map[owner]string{}
	for i, v := range o.Overrides {
		table := fmt.Sprintf("overrides[%d]", i)
		meant := v.problems(o, func(name, problem string) { report(strings.TrimSuffix(table+"."+name, "."), problem) })
		for j, text := range v.Keys {
			key := fmt.Sprintf("%s.keys[%d]", table, j)
			p, err := parsePattern(Kind(max(index(kindNames[:], v.Per), 0)), text, o.IPv6Prefix)
			if meant < 0 || err != nil {
				continue
			}
			if before, ok := first[owner{meant, p}]; ok && !strings.HasPrefix(before, table) {
				report(key, fmt.Sprintf("%q has an override under limits[%d] already, at %s", text, meant, before))
			}
			if !o.Limits[meant].isFor(p, o.IPv6Prefix) {
				report(key, fmt.Sprintf("limits[%d] is not for %q, so there is nothing to override; see its \"keys\"", meant, text))
			}
			first[owner{meant, p}] = key
		}
	}
}

// problems reports what is wrong with an override, and returns the limit that it is for, or -1.
func (v Override) problems(o Options, report func(key, problem string)) int {
	checkWord("per", v.Per, kindNames[:], report)
	checkWord("count", v.Count, countNames[:], report)
	if v.Then != "" {
		checkWord("then", v.Then, actionNames[:], report)
	}
	switch {
	case v.Unlimited && v.Max != 0:
		report("max", "it is for keys that have a limit, and \"unlimited\" for those that have none; remove one of the two")
	case !v.Unlimited && v.Max <= 0:
		report("max", fmt.Sprintf("%d lets nothing through; it must be at least 1, or else write unlimited = true (pratique rates block refuses a key altogether)", v.Max))
	}
	if v.Every < 0 {
		report("every", fmt.Sprintf("%v is no length of time; write that of the limit", v.Every))
	}
	if len(v.Keys) == 0 {
		report("keys", "names no key that the override is for")
	}
	patternProblems(v.Per, v.Keys, o.IPv6Prefix, report)
	if index(kindNames[:], v.Per) < 0 || index(countNames[:], v.Count) < 0 || v.Then != "" && index(actionNames[:], v.Then) < 0 {
		return -1 // which limit is meant can't be told
	}
	switch meant := v.limits(o.Limits); len(meant) {
	case 0:
		report("", v.overridesNothing(o.Limits))
	case 1:
		return meant[0]
	default:
		report("", fmt.Sprintf("may be meant for limits[%d] or limits[%d]; name its \"every\", and its \"then\" if that is the same too", meant[0], meant[1]))
	}
	return -1
}

// overridesNothing says which limits there are instead.
func (v Override) overridesNothing(all []Limit) string {
	var near []string
	for i, l := range all {
		if l.Per == v.Per && l.Count == v.Count {
			near = append(near, fmt.Sprintf("limits[%d] with every = %q and then = %q", i, shortSpan(l.Every), l.Then))
		}
	}
	text := fmt.Sprintf("no limit counts %s per %s", v.Count, v.Per)
	if len(near) > 0 {
		text += " like that; there is " + strings.Join(near, ", ")
	}
	return text + "; to limit these keys alone, write [[rates.limits]] with their \"keys\""
}

func shortSpan(d time.Duration) string { return span(int64(d / time.Second)) }
