package configs

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decoder puts a tree into structs whose fields are tagged `toml:"key"`, or
// `toml:"key,size"` for sizes in octets. It reports every key that it does not
// know and every value that does not fit, and goes on.
type decoder struct {
	report reporter
	failed failures
}

func (d *decoder) fail(v *value, path, text string) {
	d.failed.add(path)
	d.report(v.line, path, text)
}

// failures are the keys whose value did not get where it was meant to. What the
// rooms say about them is a consequence, and not worth another line.
type failures struct {
	at    map[string]bool
	below map[string]bool // tables and lists that hold one
}

func (f failures) add(key string) {
	f.at[key] = true
	for key, ok := parent(key); ok; key, ok = parent(key) {
		f.below[key] = true
	}
}

// explain reports whether a failure at the key, above it or below it explains a problem with it.
func (f failures) explain(key string) bool {
	if f.at[key] || f.below[key] {
		return true
	}
	for key, ok := parent(key); ok; key, ok = parent(key) {
		if f.at[key] {
			return true
		}
	}
	return false
}

// parent returns the key of the table or list that a key is in.
func parent(key string) (string, bool) {
	i := strings.LastIndexAny(key, ".[")
	if i < 0 {
		return "", false
	}
	return key[:i], true
}

// field is a field of a struct that a key stands for.
type field struct {
	key   string
	index int
	typ   reflect.Type
	size  bool
}

// fields returns the fields of a struct that have keys, in their order.
func fields(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		if tag := t.Field(i).Tag.Get("toml"); tag != "" {
			key, option, _ := strings.Cut(tag, ",")
			all = append(all, field{key, i, t.Field(i).Type, option == "size"})
		}
	}
	return all
}

func (d *decoder) table(v *value, into reflect.Value, path string) {
	known := fields(into.Type())
	for _, key := range v.keys {
		at, child := join(path, key), v.children[key]
		i := slices.IndexFunc(known, func(f field) bool { return f.key == key })
		switch {
		case i < 0:
			d.unknown(child, into.Type(), path, key)
		case known[i].size:
			d.size(child, into.Field(known[i].index), at)
		default:
			d.value(child, into.Field(known[i].index), at)
		}
	}
}

func (d *decoder) unknown(v *value, in reflect.Type, path, key string) {
	text := "unknown key"
	if meant := suggest(in, path, key); meant != "" {
		text += ", did you mean " + meant + "?"
		d.failed.add(meant) // so that it is not missed as well
	}
	d.fail(v, join(path, key), text)
}

func (d *decoder) value(v *value, into reflect.Value, path string) {
	if _, ok := into.Interface().(time.Duration); ok {
		d.duration(v, into, path)
		return
	}
	if target, ok := into.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(v, target, path)
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		if d.is(v, tableKind, path, wantedTable(path)) {
			d.table(v, into, path)
		}
	case reflect.Map:
		if d.is(v, tableKind, path, wantedTable(path)) {
			d.dictionary(v, into, path)
		}
	case reflect.Slice:
		if d.is(v, listKind, path, wantedList(v, into.Type(), path)) {
			d.list(v, into, path)
		}
	case reflect.String:
		if d.is(v, stringKind, path, wantedString(v)) {
			into.SetString(v.text)
		}
	case reflect.Bool:
		if d.is(v, boolKind, path, "true or false, without quotes") {
			into.SetBool(v.text == "true")
		}
	default:
		d.integer(v, into, path)
	}
}

// is reports a value that is of another kind than wanted.
func (d *decoder) is(v *value, want kind, path, wanted string) bool {
	if v.kind != want {
		d.fail(v, path, fmt.Sprintf("is %s, must be %s", v.kind, wanted))
		return false
	}
	return true
}

func wantedString(v *value) string {
	if v.kind == integerKind || v.kind == floatKind {
		return fmt.Sprintf("a string: %q", v.text)
	}
	return "a string in quotes"
}

func wantedTable(path string) string {
	if strings.HasSuffix(path, "]") {
		return "a table in braces: { key = \"value\" }"
	}
	return "a table: write [" + header(path) + "] on a line of its own"
}

// header returns a key as it stands in a [header]: without the indices of lists.
func header(key string) string {
	for {
		before, rest, ok := strings.Cut(key, "[")
		_, after, closed := strings.Cut(rest, "]")
		if !ok || !closed {
			return key
		}
		key = before + after
	}
}

func wantedList(v *value, t reflect.Type, path string) string {
	switch {
	case t.Elem().Kind() == reflect.Struct:
		return "a list of tables: write [[" + header(path) + "]] on a line of its own for each"
	case v.kind == stringKind:
		return fmt.Sprintf("a list: [%q]", v.text)
	}
	return "a list in brackets"
}

func (d *decoder) list(v *value, into reflect.Value, path string) {
	list := reflect.MakeSlice(into.Type(), len(v.items), len(v.items))
	for i, item := range v.items {
		d.value(item, list.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
	into.Set(list)
}

func (d *decoder) dictionary(v *value, into reflect.Value, path string) {
	if into.IsNil() {
		into.Set(reflect.MakeMap(into.Type()))
	}
	for _, key := range v.keys {
		element := reflect.New(into.Type().Elem()).Elem()
		d.value(v.children[key], element, join(path, key))
		into.SetMapIndex(reflect.ValueOf(key), element)
	}
}

func (d *decoder) text(v *value, target encoding.TextUnmarshaler, path string) {
	if !d.is(v, stringKind, path, wantedString(v)) {
		return
	}
	if err := target.UnmarshalText([]byte(v.text)); err != nil {
		d.fail(v, path, err.Error())
	}
}

func (d *decoder) duration(v *value, into reflect.Value, path string) {
	if !d.is(v, stringKind, path, "a string with its unit, such as \"60s\", \"5m\", \"12h\" or \"7d\"") {
		return
	}
	duration, err := ParseDuration(v.text)
	if err != nil {
		d.fail(v, path, err.Error())
		return
	}
	into.SetInt(int64(duration))
}

// size takes a string such as "25MB", or a number of octets.
func (d *decoder) size(v *value, into reflect.Value, path string) {
	if v.kind == integerKind {
		d.integer(v, into, path)
		return
	}
	if !d.is(v, stringKind, path, "a size such as \"25MB\", or a number of octets") {
		return
	}
	size, err := parseSize(v.text)
	if err != nil {
		d.fail(v, path, err.Error())
		return
	}
	into.SetInt(size)
}

func (d *decoder) integer(v *value, into reflect.Value, path string) {
	wanted := "a whole number without quotes"
	if v.kind == stringKind {
		if _, err := strconv.ParseInt(v.text, 10, 64); err == nil {
			wanted += ": " + v.text
		}
	}
	if !d.is(v, integerKind, path, wanted) {
		return
	}
	n, err := strconv.ParseInt(v.text, 0, 64)
	if err != nil || into.OverflowInt(n) {
		d.fail(v, path, v.text+" is too large a number")
		return
	}
	into.SetInt(n)
}
