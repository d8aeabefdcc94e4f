package opendkim

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"pratique/configs"
	"pratique/signing"
)

// Write writes the configuration, with the notes as comments at its end. If table
// is not "", the domains are not in it, but in the file of that name, which
// WriteTable writes.
func (t *Translation) Write(w io.Writer, table string) error {
	out := bufio.NewWriter(w)
	c, def := t.Config, configs.Default()
	fmt.Fprintf(out, "# Translated from %s by \"pratique import opendkim\". What is not\n", comment(t.Source))
	fmt.Fprintf(out, "# here has its default: \"pratique config\" prints every key. Beside signing,\n")
	fmt.Fprintf(out, "# [lint] judges the form of mail, and refuses some by default: look at its rules.\n\n")
	fmt.Fprintf(out, "listen = %s\n", list(c.Listen))

	fmt.Fprintf(out, "\n[access]\nnetworks = %s\nauthenticated = %v\n", list(c.Access.Networks), c.Access.Authenticated)
	fmt.Fprintf(out, "# Everyone else's mail is accepted untouched, as by OpenDKIM. Where only mail that\n")
	fmt.Fprintf(out, "# leaves comes by, \"reject\" is the better answer.\nunlisted = %s\n", quote(c.Access.Unlisted))

	t.writeSigning(out, table)
	if c.Milter.SocketMode != def.Milter.SocketMode {
		fmt.Fprintf(out, "\n[milter]\nsocket_mode = %s\n", quote(c.Milter.SocketMode))
	}
	if c.DNS.Resolver != "" {
		fmt.Fprintf(out, "\n[dns]\nresolver = %s\n", quote(c.DNS.Resolver))
	}
	t.writeNotes(out)
	return out.Flush()
}

// WriteSigning writes what is signed how, and nothing else: the part [signing] of a configuration.
func (t *Translation) WriteSigning(w io.Writer) error {
	out := bufio.NewWriter(w)
	t.writeSigning(out, "")
	return out.Flush()
}

func (t *Translation) writeSigning(out io.Writer, table string) {
	c := t.Config.Signing
	fmt.Fprintf(out, "\n[signing]\non_error = %s\ncanonicalization = %s\n", quote(c.OnError.String()), quote(c.Canonicalization))
	if c.Expire != 0 {
		fmt.Fprintf(out, "expire = %s\n", quote(fmt.Sprintf("%ds", int64(c.Expire.Seconds()))))
	}
	if len(c.Exclude) > 0 {
		fmt.Fprintf(out, "exclude = %s\n", list(c.Exclude))
	}
	if table != "" {
		fmt.Fprintf(out, "table = %s\n", quote(table))
	} else {
		for _, d := range c.Domains {
			writeDomain(out, d)
		}
	}
}

func writeDomain(w io.Writer, d signing.Domain) {
	fmt.Fprintf(w, "\n[[signing.domains]]\ndomain = %s\n", quote(d.Domain))
	if d.SignAs != "" {
		fmt.Fprintf(w, "sign_as = %s\n", quote(d.SignAs))
	}
	if d.Identity != "" {
		fmt.Fprintf(w, "identity = %s\n", quote(d.Identity))
	}
	fmt.Fprintf(w, "keys = [\n")
	for _, k := range d.Keys {
		fmt.Fprintf(w, "    { selector = %s, file = %s },\n", quote(k.Selector), quote(k.File))
	}
	fmt.Fprintf(w, "]\n")
}

// WriteTable writes the domains as a table (signing.ReadTable). A path that has white
// space in it is an error: a line of the table can't hold it.
func (t *Translation) WriteTable(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "# Translated from %s by \"pratique import opendkim\".\n", comment(t.Source))
	for _, d := range t.Config.Signing.Domains {
		fmt.Fprint(out, d.Domain)
		for _, k := range d.Keys {
			if strings.ContainsAny(k.File, " \t\r\n\v\f\u0085\u00a0") {
				return fmt.Errorf("the key file %q of %s has white space in its name, which a table can't hold; rename it", k.File, d.Domain)
			}
			fmt.Fprintf(out, " %s:%s", k.Selector, k.File)
		}
		if d.SignAs != "" {
			fmt.Fprintf(out, " sign_as=%s", d.SignAs)
		}
		if d.Identity != "" {
			fmt.Fprintf(out, " identity=%s", d.Identity)
		}
		fmt.Fprintln(out)
	}
	return out.Flush()
}

// writeNotes writes the notes as comments, what is lost first.
func (t *Translation) writeNotes(w io.Writer) {
	for _, part := range []struct {
		kind Kind
		head string
	}{
		{Lost, "Not taken over:"},
		{Differs, "Taken over, but not as it was:"},
		{Fine, "Nothing is lost with these:"},
	} {
		head := part.head
		for _, n := range t.Notes {
			if n.Kind != part.kind {
				continue
			}
			if head != "" {
				fmt.Fprintf(w, "\n# %s\n", head)
				head = ""
			}
			fmt.Fprintf(w, "#   %s: %s: %s\n", comment(n.Where()), n.Setting, n.Text)
			if n.Do != "" {
				fmt.Fprintf(w, "#       %s\n", n.Do)
			}
		}
	}
	if t.More > 0 {
		fmt.Fprintf(w, "\n# And %d more notes.\n", t.More)
	}
}

// comment keeps a file's name on its line.
func comment(s string) string { return printable(s) }

// quote writes a basic string of TOML, in which control characters are escaped.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, "\\u%04X", r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func list(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quote(v)
	}
	if len(values) <= 4 {
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	return "[\n    " + strings.Join(quoted, ",\n    ") + ",\n]"
}
