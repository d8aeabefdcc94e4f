package mta

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// use is a service together with the list by which it reaches milters.
type use struct {
	s    *service
	list string // name of the parameter
}

// uses are the services that connect to milters: smtpd itself for mail by SMTP,
// cleanup for all other.
func (p *Postfix) uses() []use {
	var list []use
	for _, s := range p.entries() {
		list = append(list, use{s, "smtpd_milters"})
	}
	for _, s := range p.cleanups() {
		list = append(list, use{s, "non_smtpd_milters"})
	}
	return list
}

// follows reports a list that is that of the SMTP services, of which it is told already.
func (p *Postfix) follows(u use) bool {
	_, own := u.s.overrides[u.list]
	return u.list == "non_smtpd_milters" && !own && strings.Trim(p.raw(u.list), "${}()") == "smtpd_milters" &&
		slices.ContainsFunc(p.entries(), func(s *service) bool { _, own := s.overrides["smtpd_milters"]; return !own })
}

// judgeSocket looks whether each service that names the milter reaches it.
func judgeSocket(p *Postfix, ours Ours) []Finding {
	var found []Finding
	for _, u := range p.uses() {
		value := p.in(u.s, u.list)
		if p.named(value, ours) < 0 {
			continue
		}
		if f := p.foreignWords(u, value, ours); f != nil {
			found = append(found, *f)
			continue
		}
		if p.oursIn(value, p.jailed(u.s), ours) < 0 {
			found = append(found, p.outOfJail(u, value, ours))
			continue
		}
		found = append(found, p.permissions(value, ours)...)
	}
	return onceForFound(found)
}

// foreignWords: Postfix knows "unix:path" and "inet:host:port" only; "local:", "inet6:"
// and "port@host" are sendmail's.
func (p *Postfix) foreignWords(u use, value string, ours Ours) *Finding {
	list, i := milterList(value), p.named(value, ours)
	m := list[i]
	kind, rest, _ := strings.Cut(m.text, ":")
	if (kind == "unix" || kind == "inet") && !strings.Contains(rest, "@") {
		return nil
	}
	right := "unix:" + rest
	if kind != "local" && kind != "unix" {
		right = string(inet(rest))
	}
	list[i].word = m.with(right)
	return &Finding{Status: Fail, Where: p.whereIn(u.s, u.list), Found: fmt.Sprintf("%s has %s, which Postfix does not understand", u.list, m.text),
		Means: "Postfix finds no milter there, and milter_default_action decides about all mail.",
		Fix:   []string{p.setter(u.s, u.list, joined(list))}}
}

// outOfJail: a process in a chroot takes the queue folder for the root of all paths.
func (p *Postfix) outOfJail(u use, value string, ours Ours) Finding {
	queue := p.value("queue_directory")
	list, i := milterList(value), p.named(value, ours)
	m := list[i]
	listen := path.Join(queue, "pratique/milter.sock")
	if own, ok := strings.CutPrefix(p.meant(ours), "unix:"); ok && !path.IsAbs(own) {
		listen = path.Join(queue, own) // it is within reach already
	}
	list[i].word = m.with("unix:" + strings.TrimPrefix(listen, path.Clean(queue)+"/"))
	return Finding{Status: Fail, Where: fmt.Sprintf("master.cf:%d %s", u.s.line, u.s), Services: []string{u.s.String()},
		Found: fmt.Sprintf("in the chroot of %s %s is %s", u.s, m.text, strings.TrimPrefix(string(m.of(queue, true)), "unix:")),
		Means: "It finds no milter there, and milter_default_action decides about all of its mail.",
		Fix: []string{
			fmt.Sprintf("in pratique.toml: listen = [%q]", "unix:"+listen),
			p.setter(u.s, u.list, joined(list)),
		}}
}

// permissions looks whether Postfix's user may connect to the socket.
func (p *Postfix) permissions(value string, ours Ours) []Finding {
	if !p.live {
		return nil
	}
	queue := p.value("queue_directory")
	m := milterList(value)[p.named(value, ours)]
	socket, isUnix := strings.CutPrefix(string(m.of(queue, false)), "unix:")
	if !isUnix {
		return nil
	}
	info, err := os.Stat(socket)
	if errors.Is(err, fs.ErrNotExist) {
		return []Finding{{Status: Info, Where: socket, Found: "no socket is there",
			Means: "The milter is not running, or it listens elsewhere: pratique check tells."}}
	}
	if err != nil {
		return []Finding{{Status: Unknown, Where: socket, Found: err.Error()}}
	}
	who, err := identify(p.value("mail_owner"))
	if err != nil {
		return []Finding{{Status: Unknown, Where: socket, Found: err.Error()}}
	}
	const mayWrite, mayPass = 2, 1
	if !who.may(info, mayWrite) {
		return []Finding{{Status: Fail, Where: socket,
			Found: fmt.Sprintf("the user %s may not connect to it (mode %04o)", who.name, info.Mode().Perm()),
			Means: "Postfix can't reach the milter, and milter_default_action decides about all mail.",
			Fix:   []string{"in pratique.toml, [milter]: socket_group = \"postfix\", socket_mode = \"0660\""}}}
	}
	for dir := path.Dir(socket); ; dir = path.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && !who.may(info, mayPass) {
			return []Finding{{Status: Fail, Where: dir,
				Found: fmt.Sprintf("the user %s may not pass through it (mode %04o)", who.name, info.Mode().Perm()),
				Means: "Postfix can't reach the milter, and milter_default_action decides about all mail.",
				Fix:   []string{"chmod o+x " + dir}}}
		}
		if dir == "/" || dir == "." {
			return nil
		}
	}
}

// identity is a user with all of its groups.
type identity struct {
	name   string
	uid    uint32
	groups []uint32
}

func identify(name string) (identity, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return identity{}, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return identity{}, err
	}
	who := identity{name: name, uid: uint32(uid)}
	ids, err := u.GroupIds()
	if err != nil {
		return identity{}, err
	}
	for _, id := range ids {
		if gid, err := strconv.ParseUint(id, 10, 32); err == nil {
			who.groups = append(who.groups, uint32(gid))
		}
	}
	return who, nil
}

// may reports whether the user has a permission (4 read, 2 write, 1 execute) on a file.
func (who identity) may(info os.FileInfo, bit os.FileMode) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	mode := info.Mode().Perm()
	switch {
	case who.uid == 0:
		return true
	case stat.Uid == who.uid:
		return mode>>6&bit != 0
	case slices.Contains(who.groups, stat.Gid):
		return mode>>3&bit != 0
	}
	return mode&bit != 0
}

// onceForFound keeps the first of findings that say the same.
func onceForFound(found []Finding) []Finding {
	seen := map[string]bool{}
	return slices.DeleteFunc(found, func(f Finding) bool {
		key := f.Where + f.Found
		if strings.HasPrefix(f.Where, "main.cf") {
			key = f.Found
		}
		was := seen[key]
		seen[key] = true
		return was
	})
}

// judgeOrder: a milter behind the one that signs sees signed mail, and may change it.
func judgeOrder(p *Postfix, ours Ours) []Finding {
	var found []Finding
	for _, u := range p.uses() {
		list := milterList(p.in(u.s, u.list))
		i := p.named(p.in(u.s, u.list), ours)
		if i < 0 || i == len(list)-1 || p.follows(u) {
			continue
		}
		var behind []string
		kept := slices.Clone(list[:i])
		twice := false
		for _, m := range list[i+1:] {
			if p.named(m.word, ours) >= 0 {
				twice = true
				continue
			}
			behind, kept = append(behind, m.text), append(kept, m)
		}
		fix := []string{p.setter(u.s, u.list, joined(append(kept, list[i])))}
		if twice {
			found = append(found, Finding{Status: Fail, Where: p.whereIn(u.s, u.list), Found: u.list + " names the milter more than once",
				Means: "Each message is judged, counted and signed as often.", Fix: fix})
		}
		if len(behind) > 0 {
			found = append(found, Finding{Status: Fail, Where: p.whereIn(u.s, u.list),
				Found: fmt.Sprintf("%s stands behind the milter in %s", strings.Join(behind, " and "), u.list),
				Means: "What a later milter changes of the header or body breaks the signature, and what it refuses was already counted as sent.",
				Fix:   fix})
		}
	}
	return onceForFound(found)
}

// judgeProtocol: with a version below 6 Postfix strips the space before header
// values and answers each step, so that simple canonicalization can't be kept.
func judgeProtocol(p *Postfix, ours Ours) []Finding {
	const name, best = "milter_protocol", "6"
	var found []Finding
	for _, u := range p.uses() {
		value, where := p.milterOption(u, ours, "protocol", name)
		if version := words(value); len(version) > 0 && compareVersions(version[0], best) >= 0 {
			continue
		}
		found = append(found, Finding{Status: Warn, Where: where, Found: name + " is " + shown(value),
			Means: "Header fields do not arrive exactly as they leave, each step costs a round trip, and simple canonicalization breaks.",
			Fix:   []string{p.optionSetter(u, ours, "protocol", name, best)}})
	}
	return onceForFound(found)
}

// milterOption returns what is in force for our milter: the option in its own
// braces, else the parameter.
func (p *Postfix) milterOption(u use, ours Ours, option, parameter string) (value, where string) {
	list := p.in(u.s, u.list)
	if i := p.named(list, ours); i >= 0 {
		if own, ok := milterList(list)[i].options[option]; ok {
			return own, p.whereIn(u.s, u.list)
		}
	}
	return p.in(u.s, parameter), p.whereIn(u.s, parameter)
}

// optionSetter is the command that sets what milterOption returns, where it is set now.
func (p *Postfix) optionSetter(u use, ours Ours, option, parameter, value string) string {
	written := p.in(u.s, u.list)
	if i := p.named(written, ours); i >= 0 {
		list := milterList(written)
		if _, own := list[i].options[option]; own {
			return p.setter(u.s, u.list, joined(withoutOption(list, list[i], option)))
		}
	}
	return p.setter(u.s, parameter, value)
}

// Least patience of Postfix with a milter that does all it can do. The milter
// tells of its progress, and each sign of life starts the content timer anew
// (milter_content_timeout), so a few of those are enough.
const (
	leastConnect = 5 * time.Second
	leastCommand = 10 * time.Second
	progressMiss = 5 // signs of life that may be late
)

// judgeTimeouts compares Postfix's patience with the time that the milter may take.
func judgeTimeouts(p *Postfix, ours Ours) []Finding {
	limits := []struct {
		option string
		least  time.Duration
		usual  string
		doing  string
	}{
		{"connect_timeout", leastConnect, "30s", "the milter to accept a connection"},
		{"command_timeout", leastCommand, "30s", "an answer to the envelope or a header"},
		{"content_timeout", max(leastCommand, progressMiss*ours.Progress), "300s", "the end of a message, or a sign of life"},
	}
	var found []Finding
	for _, u := range p.uses() {
		for _, l := range limits {
			name := "milter_" + l.option
			value, where := p.milterOption(u, ours, l.option, name)
			n, ok := seconds(value)
			if ok && time.Duration(n)*time.Second >= l.least {
				continue
			}
			found = append(found, Finding{Status: Fail, Where: where, Found: fmt.Sprintf("%s is %s", name, shown(value)),
				Means: fmt.Sprintf("Postfix waits too short for %s; then milter_default_action decides. At least %v are needed.", l.doing, l.least),
				Fix:   []string{p.optionSetter(u, ours, l.option, name, l.usual)}})
		}
	}
	return append(onceForFound(found), p.judgeIdle(ours)...)
}

// judgeIdle: an SMTP client may be silent so long, and the milter must not hang up on it.
func (p *Postfix) judgeIdle(ours Ours) []Finding {
	const name = "smtpd_timeout"
	var found []Finding
	for _, s := range p.entries() {
		n, ok := seconds(p.in(s, name))
		if !ok || time.Duration(n)*time.Second <= ours.Idle || ours.Idle == 0 {
			continue
		}
		found = append(found, Finding{Status: Warn, Where: p.whereIn(s, name), Found: fmt.Sprintf("%s is %s, longer than the milter's idle_timeout of %v", name, p.in(s, name), ours.Idle),
			Means: "When a client is silent for longer, the milter hangs up on Postfix, and the rest of the session meets milter_default_action.",
			Fix:   []string{fmt.Sprintf("in pratique.toml, [milter]: idle_timeout = \"%ds\"", 2*n)}})
	}
	return onceForFound(found)
}
