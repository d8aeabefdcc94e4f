package relay

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"
)

// FuzzReply: whatever a server says, it is a reply with one code, or an error.
func FuzzReply(f *testing.F) {
	f.Add("250-a\r\n250 b\r\n")
	f.Add("2\n250")
	f.Add("250-a\n550 b\n")
	f.Fuzz(func(t *testing.T, text string) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		s := &session{conn: near, r: bufio.NewReader(strings.NewReader(text)), timeout: time.Second}
		code, _, err := s.reply()
		if err == nil && (code < 200 || code > 599 || !strings.HasPrefix(text, string(rune('0'+code/100)))) {
			t.Errorf("%q is read as %d", text, code)
		}
	})
}
