package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// SignedZone is a zone with signatures (RFC 4035), and the DS record that its parent is to have.
type SignedZone struct {
	Text string
	DS   string
}

// SignZone signs a zone file with a new key, by ldns-signzone. The signatures hold
// from a day before now until the given time.
func SignZone(ctx context.Context, dir, zone, text string, until time.Time) (SignedZone, error) {
	keygen, err := program("ldns-keygen")
	if err != nil {
		return SignedZone{}, err
	}
	signzone, err := program("ldns-signzone")
	if err != nil {
		return SignedZone{}, err
	}
	if err := writeFiles(dir, map[string]string{zone + ".plain": "$ORIGIN " + zone + ".\n" + text}); err != nil {
		return SignedZone{}, err
	}
	key, err := inFolder(ctx, dir, keygen, "-k", "-a", "ECDSAP256SHA256", zone)
	if err != nil {
		return SignedZone{}, err
	}
	date := func(t time.Time) string { return t.UTC().Format("20060102150405") }
	began := time.Now()
	if until.Before(began) {
		began = until
	}
	if _, err := inFolder(ctx, dir, signzone, "-i", date(began.Add(-24*time.Hour)), "-e", date(until), "-f", zone+".signed", zone+".plain", key); err != nil {
		return SignedZone{}, err
	}
	signed, err := os.ReadFile(filepath.Join(dir, zone+".signed"))
	if err != nil {
		return SignedZone{}, err
	}
	ds, err := os.ReadFile(filepath.Join(dir, key+".ds"))
	return SignedZone{string(signed), strings.TrimSpace(string(ds))}, err
}

// inFolder runs a program in a folder, and returns what it prints.
func inFolder(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(program), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}
