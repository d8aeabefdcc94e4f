package milter

import (
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func testServer(change func(*Options)) *Server {
	o := DefaultOptions()
	if change != nil {
		change(&o)
	}
	return New(o, nil, slog.New(slog.DiscardHandler))
}

func TestUnixSocketsHaveTheirModeAndLeaveNothingBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := testServer(func(o *Options) { o.SocketMode = "0606" }).Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o606 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if nc, err := net.Dial("unix", path); err != nil {
		t.Error(err)
	} else {
		nc.Close()
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) > 0 {
		t.Errorf("%v was left", left)
	}
}

func TestRootGivesSocketsToPostfix(t *testing.T) {
	want := os.Getegid()
	if postfix, err := groupID("postfix"); err == nil && os.Geteuid() == 0 {
		want = postfix
	}
	own := strconv.Itoa(os.Getegid())
	for group, gid := range map[string]int{"": want, own: os.Getegid()} {
		path := filepath.Join(t.TempDir(), "s")
		l, err := testServer(func(o *Options) { o.SocketGroup = group }).Listen("unix:" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := int(info.Sys().(*syscall.Stat_t).Gid); got != gid {
			t.Errorf("socket_group %q: group %d, want %d", group, got, gid)
		}
	}
}

func TestStaleSocketsAreReplacedAndNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := testServer(nil).Listen("unix:" + path); err == nil || !strings.Contains(err.Error(), "another process listens") {
		t.Errorf("a socket in use: error %v", err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	first, err := testServer(nil).Listen("local:" + path)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	second, err := testServer(nil).Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	first.Close() // which must leave its successor's socket alone
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}

	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, []byte("precious"), 0o600)
	if _, err := testServer(nil).Listen("unix:" + file); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file: error %v", err)
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Errorf("the file has now %q", text)
	}
}

func TestAddressesAreThoseOfTheMTAs(t *testing.T) {
	for _, addr := range []string{"inet:127.0.0.1:0", "inet:0@127.0.0.1", "inet6:[::1]:0", "inet6:0@::1", "inet6:0@[::1]"} {
		l, err := testServer(nil).Listen(addr)
		if err != nil {
			if strings.HasPrefix(addr, "inet6") && errors.Is(err, os.ErrInvalid) {
				continue
			}
			t.Errorf("%s: %v", addr, err)
			continue
		}
		if host, _, _ := net.SplitHostPort(l.Addr().String()); host != "127.0.0.1" && host != "::1" {
			t.Errorf("%s became %v", addr, l.Addr())
		}
		l.Close()
	}
	for _, addr := range []string{"", "127.0.0.1:0", "tcp:127.0.0.1:0", "unix:relative", "unix:", "inet:127.0.0.1"} {
		if l, err := testServer(nil).Listen(addr); err == nil {
			l.Close()
			t.Errorf("%q was listened on", addr)
		}
	}
}

func TestOptionsProblems(t *testing.T) {
	DefaultOptions().Problems(func(key, problem string) { t.Errorf("default: %s: %s", key, problem) })
	bad := Options{ShutdownTimeout: -1, SocketMode: "rw", SocketOwner: "no-such-user", SocketGroup: "no-such-group"}
	var got []string
	bad.Problems(func(key, problem string) { got = append(got, key) })
	want := "max_connections idle_timeout read_timeout write_timeout progress_interval shutdown_timeout max_recipients socket_mode socket_owner socket_group"
	if strings.Join(got, " ") != want {
		t.Errorf("problems with %v", got)
	}
	if id, err := userID("0"); id != 0 || err != nil {
		t.Errorf("numeric owner: %d, %v", id, err)
	}
}
