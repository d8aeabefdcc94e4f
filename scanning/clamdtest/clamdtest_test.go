package clamdtest

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// errorsOf is a test that only notes its errors.
type errorsOf struct {
	testing.TB
	mu   sync.Mutex
	seen []string
}

func (e *errorsOf) Errorf(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen = append(e.seen, fmt.Sprintf(format, args...))
}

func TestViolationsAreErrors(t *testing.T) {
	const command = "zINSTREAM\x00"
	tests := []struct{ name, sent, want string }{
		{"whole", command + "\x00\x00\x00\x02ab\x00\x00\x00\x00", ""},
		{"broken off", command + "\x00\x00\x00\x02a", ""},
		{"nothing", "", ""},
		{"n form", "nINSTREAM\n\x00\x00\x00\x00", "n form"},
		{"no prefix", "INSTREAM\n", "begins with"},
		{"not a command", "zSCAM\x00", "unknown command"},
		{"command broken off", "zINST", "breaks off"},
		{"little endian", command + "\x02\x00\x00\x00ab", "length of"},
		{"garbage after the end", command + "\x00\x00\x00\x00x", "after the end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := &errorsOf{TB: t}
			fake := Start(client, Clean)
			conn, err := net.Dial("unix", strings.TrimPrefix(fake.Address(), "unix:"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, tt.sent); err != nil {
				t.Fatal(err)
			}
			conn.(*net.UnixConn).CloseWrite()
			io.Copy(io.Discard, conn)
			conn.Close()
			fake.WaitIdle()
			client.mu.Lock()
			defer client.mu.Unlock()
			got := strings.Join(client.seen, "; ")
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("errors = %q, want one of %q", got, tt.want)
			}
		})
	}
}
