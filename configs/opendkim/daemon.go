package opendkim

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"pratique/configs"
	"pratique/message"
)

// translateDaemon is for the socket, and for how everything is signed alike.
func (t *Translation) translateDaemon(r *reader) error {
	t.socket(r)
	t.socketMode(r)
	t.form(r)
	t.failures(r)
	if s, ok := t.conf.get("Nameservers"); ok {
		t.resolver(r, s)
	}
	if s, ok := t.conf.get("RequireSafeKeys"); ok && truth(s.value) == 0 {
		r.note(s.note(Differs, "a key that others can read is not used here", "chmod 0600 each; pratique check names them"))
	}
	if s, ok := t.conf.get("UserID"); ok {
		r.note(s.note(Fine, "the systemd unit says as whom the daemon runs; the keys must belong to that user (chown), with mode 0600", ""))
	}
	if s, ok := t.conf.get("BaseDirectory"); ok {
		r.note(s.note(Fine, "paths are written from the root", ""))
	}
	return t.fields(r)
}

// lostSockets are folders that are there only while OpenDKIM runs.
var lostSockets = [...]string{"/run/opendkim/", "/var/run/opendkim/"}

// ownSocket is in the folder that the systemd unit makes.
const ownSocket = "unix:/run/pratique/milter.sock"

// socket takes over where the MTA finds the milter.
func (t *Translation) socket(r *reader) {
	s, ok := t.conf.get("Socket")
	if !ok {
		r.note(s.note(Lost, "there is no Socket (it may be on the command line, as in Debian's /etc/default/opendkim); the default is used",
			"set listen to what the MTA's smtpd_milters or INPUT_MAIL_FILTER says"))
		return
	}
	family, rest, named := strings.Cut(s.value, ":")
	if !named || strings.HasPrefix(s.value, "/") {
		family, rest = "local", s.value
	}
	switch strings.ToLower(family) {
	case "local", "unix":
		for _, folder := range lostSockets {
			if strings.HasPrefix(rest, folder) {
				t.Config.Listen = []string{ownSocket}
				r.note(s.note(Differs, fmt.Sprintf("%s is there only while OpenDKIM runs; listen is %q", folder, ownSocket), "name that in the MTA"))
				return
			}
		}
		if t.listen(r, s, "unix:"+rest) {
			r.note(s.note(Fine, "the folder must be writable for the user of the daemon, also by its systemd unit (ReadWritePaths)", ""))
		}
	case "inet", "inet6":
		listen, problem := inetSocket(strings.ToLower(family), rest)
		if problem != "" {
			r.note(s.note(Lost, problem, "set listen"))
			return
		}
		if t.listen(r, s, listen) && (strings.HasPrefix(listen, "inet:0.0.0.0:") || strings.HasPrefix(listen, "inet6:[::]:")) {
			r.note(s.note(Fine, "listens on all interfaces: whoever reaches the port can have mail signed", "name 127.0.0.1 if the MTA is on this host"))
		}
	default:
		r.note(s.note(Lost, fmt.Sprintf("%.80q is no socket", s.value), "set listen"))
	}
}

// listen takes an address over, unless the configuration would have something against it.
func (t *Translation) listen(r *reader, s setting, address string) bool {
	_, err := configs.Parse("", []byte("listen = "+list([]string{address})))
	var problems configs.Problems
	if errors.As(err, &problems) {
		r.note(s.note(Lost, problems[0].Text, "set listen"))
		return false
	}
	t.Config.Listen = []string{address}
	return true
}

// inetSocket translates port[@host].
func inetSocket(family, rest string) (listen, problem string) {
	port, host, hasHost := strings.Cut(rest, "@")
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Sprintf("%.80q has no port number", rest)
	}
	host = strings.Trim(host, "[]")
	switch {
	case !hasHost && family == "inet6":
		host = "::"
	case !hasHost:
		host = "0.0.0.0"
	case strings.EqualFold(host, "localhost") && family == "inet6":
		host = "::1"
	case strings.EqualFold(host, "localhost"):
		host = "127.0.0.1"
	case host == "" || strings.ContainsAny(host, " \t:") && net.ParseIP(host) == nil:
		return "", fmt.Sprintf("%.80q names no host", rest)
	}
	if strings.Contains(host, ":") {
		family = "inet6"
	}
	return family + ":" + net.JoinHostPort(host, port), ""
}

func (t *Translation) socketMode(r *reader) {
	s, ok := t.conf.get("UMask")
	if !ok {
		return
	}
	mask, err := number(s.value)
	if err != nil || mask < 0 || mask > 0o777 {
		r.note(s.note(Lost, fmt.Sprintf("%.40q is no mask of permissions", s.value), "set [milter] socket_mode"))
		return
	}
	t.Config.Milter.SocketMode = fmt.Sprintf("%04o", 0o666&^mask)
}

// form takes over what all signatures have alike.
func (t *Translation) form(r *reader) {
	// Where there is none OpenDKIM's default counts, and so it does for the body if only one word is given.
	t.Config.Signing.Canonicalization = "simple/simple"
	if s, ok := t.conf.get("Canonicalization"); ok {
		header, body, both := strings.Cut(strings.ToLower(s.value), "/")
		if !both {
			body = "simple"
		}
		if !canonical(header) || !canonical(body) {
			r.note(s.note(Lost, fmt.Sprintf("%.40q is no canonicalization, and OpenDKIM would not start", s.value), "relaxed/relaxed is what stands most on the way"))
			header, body = "relaxed", "relaxed"
		}
		t.Config.Signing.Canonicalization = header + "/" + body
	}
	if s, ok := t.conf.get("SignatureTTL"); ok {
		seconds, err := number(s.value)
		switch {
		case err == nil && seconds > 0:
			t.Config.Signing.Expire = time.Duration(seconds) * time.Second
		case err != nil || seconds < 0:
			r.note(s.note(Lost, "is no time for which a signature could be valid", "set [signing] expire"))
		}
	}
	if s, ok := t.conf.get("SignatureAlgorithm"); ok {
		switch algorithm := strings.ToLower(s.value); algorithm {
		case "rsa-sha256", "ed25519-sha256":
			r.note(s.note(Fine, "follows from each key here", ""))
		default:
			r.note(s.note(Differs, fmt.Sprintf("%.40q is not made: RFC 8301 forbids SHA-1; signatures are rsa-sha256 or ed25519-sha256, as the key is", algorithm), ""))
		}
	}
}

func canonical(word string) bool { return word == "simple" || word == "relaxed" }

// fields says what becomes of the choice of fields for h=.
func (t *Translation) fields(r *reader) error {
	const covers = "which fields a signature covers is fixed here: those of RFC 6376 5.4.1 and more, as many as there are"
	if s, ok := t.conf.get("SignHeaders"); ok {
		r.note(s.note(Differs, covers, "run the import with --prove to see whether one that you cover is missing"))
	}
	if s, ok := t.conf.get("OmitHeaders"); ok {
		r.note(s.note(Differs, covers, "run the import with --prove to see what differs"))
	}
	if s, ok := t.conf.get("SenderHeaders"); ok && !strings.EqualFold(s.value, "from") {
		r.note(s.note(Differs, "the signing domain is always that of From, with which DMARC compares it", ""))
	}
	if s, ok := t.conf.get("OversignHeaders"); ok {
		return t.oversigning(r, s)
	}
	return nil
}

// oversigning notes fields that are not covered once more than they are there.
func (t *Translation) oversigning(r *reader, s setting) error {
	d, ok := r.dataSet(s)
	if !ok {
		return nil
	}
	return r.each(d, func(it item) {
		switch strings.ToLower(it.key) {
		case "from", "reply-to", "subject", "cc":
		case "date", "to", "sender", "message-id", "in-reply-to", "references", "mime-version", "content-type", "content-transfer-encoding":
			r.note(d.note(it, Differs, fmt.Sprintf("%.40s is covered once more only if the message has it: an MTA or a list on the way may add a missing one", it.key), ""))
		default:
			r.note(d.note(it, Differs, fmt.Sprintf("%.40s is not covered once more than it is there", it.key), ""))
		}
	})
}

// failures takes over what becomes of a message that can't be signed.
func (t *Translation) failures(r *reader) {
	s, ok := t.conf.get("On-SignatureError")
	if !ok {
		s, ok = t.conf.get("On-Default")
	}
	if ok {
		switch action(s.value) {
		case 'a':
			t.Config.Signing.OnError = message.Accept
		case 'q':
			t.Config.Signing.OnError = message.Hold
		case 't':
			t.Config.Signing.OnError = message.Tempfail
		default:
			r.note(s.note(Differs, "what can't be signed is answered 451 here, so that it comes again when that was mended", ""))
		}
	}
	if s, ok := t.conf.get("On-InternalError"); ok && action(s.value) != 't' {
		r.note(s.note(Differs, "an error of ours meets [signing] on_error, as does one of a key", ""))
	}
}

// action returns the letter of accept, discard, quarantine, reject or tempfail.
func action(value string) byte {
	for _, word := range []string{"accept", "discard", "quarantine", "reject", "tempfail"} {
		if lower := strings.ToLower(value); lower == word || lower == word[:1] {
			return word[0]
		}
	}
	return 0
}

func (t *Translation) resolver(r *reader, s setting) {
	servers := strings.FieldsFunc(s.value, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' })
	if len(servers) > 0 {
		if addr, err := netip.ParseAddr(strings.Trim(servers[0], "[]")); err == nil {
			t.Config.DNS.Resolver = netip.AddrPortFrom(addr.WithZone(""), 53).String()
			if len(servers) > 1 {
				r.note(s.note(Differs, "the first one is asked; there is one [dns] resolver", "name several in /etc/resolv.conf, and set resolver to \"\""))
			}
			return
		}
	}
	r.note(s.note(Lost, fmt.Sprintf("%.80q is no list of addresses", s.value), "set [dns] resolver"))
}
