package configs

import (
	"reflect"
	"strings"
)

// suggest returns the key that an unknown key in a table was probably meant to
// be: one of that table that is spelled nearly so, or one of that very name
// elsewhere. "" if there is none.
func suggest(table reflect.Type, path, unknown string) string {
	best, least := "", 3 // two slips at most
	for _, f := range fields(table) {
		if d := distance(strings.ToLower(unknown), f.key); d < least && d < len(f.key)-1 {
			best, least = f.key, d
		}
	}
	if best != "" {
		return join(path, best)
	}
	for _, key := range keys(reflect.TypeFor[Config](), "") {
		if last := key[strings.LastIndexByte(key, '.')+1:]; last == unknown {
			return key
		}
	}
	return ""
}

// keys returns the keys of a struct with those of all that is below, tables
// before their content; "[]" stands for the index in a list.
func keys(t reflect.Type, path string) []string {
	var all []string
	for _, f := range fields(t) {
		key := join(path, f.key)
		all = append(all, key)
		switch {
		case f.typ.Kind() == reflect.Struct:
			all = append(all, keys(f.typ, key)...)
		case f.typ.Kind() == reflect.Slice && f.typ.Elem().Kind() == reflect.Struct:
			all = append(all, keys(f.typ.Elem(), key+"[]")...)
		}
	}
	return all
}

// distance counts the letters to insert, remove, change or swap with their
// neighbour to make a into b (optimal string alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, change)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
