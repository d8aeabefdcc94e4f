package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"pratique/milter/miltertest"
)

// The envelope of every letter.
const (
	sender    = "sender@example.org"
	recipient = "recipient@example.net"
)

// serialWidth is a multiple of four: the serial number also stands in base64.
const serialWidth = 20

// stationery makes letters of one size for one connection. Each is different
// from all others in header and body, in its attachment too, so that nobody can
// answer from a cache. The body is made once and stamped with a serial number.
type stationery struct {
	serials *atomic.Uint64
	date    string
	kind    string // Content-Type
	body    []byte
	stamps  []int // where the serial number goes in the body
}

// plainLimit is the size from which a letter has an attachment.
const plainLimit = 8 << 10

// headerSize is about what the header of a letter takes.
const headerSize = 420

// newStationery makes letters of about size octets, header included.
func newStationery(size int, serials *atomic.Uint64) *stationery {
	s := &stationery{serials: serials, date: time.Now().Format(time.RFC1123Z)}
	room := max(size-headerSize, 100)
	if size < plainLimit {
		s.kind = "text/plain; charset=utf-8"
		s.body = plainBody(room)
	} else {
		s.kind = `multipart/mixed; boundary="bench"`
		s.body = attachmentBody(room)
	}
	blank := []byte(strings.Repeat("0", serialWidth))
	for at := bytes.Index(s.body, blank); at >= 0; {
		s.stamps = append(s.stamps, at)
		next := bytes.Index(s.body[at+serialWidth:], blank)
		if next < 0 {
			break
		}
		at += serialWidth + next
	}
	return s
}

func plainBody(room int) []byte {
	const line = "The quick brown fox jumps over the lazy dog and says so in a letter.\r\n"
	return []byte("Letter " + strings.Repeat("0", serialWidth) + "\r\n\r\n" + strings.Repeat(line, room/len(line)))
}

func attachmentBody(room int) []byte {
	const width = 76 // RFC 2045 6.8
	line := strings.Repeat("UHJhdGlxdWUgaXMgdGhlIGxpY2VuY2UgdGhhdCBhIHBvcnQgZ2l2ZXMgYSBzaGlwLiAg", 2)[:width] + "\r\n"
	return []byte("--bench\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" +
		"Letter " + strings.Repeat("0", serialWidth) + "\r\n" +
		"--bench\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n" +
		"Content-Disposition: attachment; filename=\"figures.bin\"\r\n\r\n" +
		strings.Repeat("0", serialWidth) + line[serialWidth:] + strings.Repeat(line, room/len(line)) +
		"--bench--\r\n")
}

// next returns the next letter. Its body is valid until the next call.
func (s *stationery) next() miltertest.Mail {
	serial := fmt.Sprintf("%0*d", serialWidth, s.serials.Add(1))
	for _, at := range s.stamps {
		copy(s.body[at:], serial)
	}
	return miltertest.Mail{
		From: sender, Recipients: miltertest.To(recipient), Body: s.body, QueueID: "B" + serial,
		Header: []miltertest.Field{
			{Name: "From", Value: " \"The Sender\" <" + sender + ">"},
			{Name: "To", Value: " " + recipient},
			{Name: "Subject", Value: " Letter " + serial},
			{Name: "Date", Value: " " + s.date},
			{Name: "Message-ID", Value: " <" + serial + "@example.org>"},
			{Name: "MIME-Version", Value: " 1.0"},
			{Name: "Content-Type", Value: " " + s.kind},
			{Name: "Content-Transfer-Encoding", Value: " 7bit"},
			{Name: "User-Agent", Value: " Letter Writer 1.0"},
		},
	}
}

// raw returns a mail as it goes over SMTP.
func raw(m miltertest.Mail) []byte {
	var b bytes.Buffer
	for _, f := range m.Header {
		b.WriteString(f.Name + ":" + f.Value + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(m.Body)
	return b.Bytes()
}
