package mta

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// oursForSendmail listens where the fixtures of sendmail look for it.
func oursForSendmail() Ours {
	o := ours()
	o.Listen = []string{"unix:/run/pratique/milter.sock", "inet:127.0.0.1:8891"}
	o.LineLimit = 990
	return o
}

func sendmailFixtures(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/sendmail/*.mc")
	if err != nil || len(paths) == 0 {
		t.Fatal("no fixtures of sendmail", err)
	}
	return paths
}

func TestSendmailFixtures(t *testing.T) {
	for _, path := range sendmailFixtures(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			s, err := LoadSendmail(path)
			if err != nil {
				t.Fatal(err)
			}
			checkGolden(t, strings.TrimSuffix(path, ".mc")+".want", summary(s.Judge(oursForSendmail())))
		})
	}
}

// What m4 makes of an mc file is judged as the mc file is.
func TestCompiledAgreesWithSource(t *testing.T) {
	cf, err := filepath.Abs("../../.build/sendmail/usr/share/sendmail/cf")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(cf, "m4/cf.m4")); err != nil {
		missing(t, "sendmail's cf files", err)
	}
	for _, path := range sendmailFixtures(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			cmd := exec.Command("m4", "-D_CF_DIR_="+cf+"/", cf+"/m4/cf.m4", path)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			text, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, &stderr)
			}
			source, err := LoadSendmail(path)
			if err != nil {
				t.Fatal(err)
			}
			compiled := ParseSendmail(text)
			if !compiled.compiled || source.compiled {
				t.Fatal("source and compiled file were not told apart")
			}
			want, got := verdicts(source.Judge(oursForSendmail())), verdicts(compiled.Judge(oursForSendmail()))
			if !slices.Equal(want, got) {
				t.Errorf("source: %v\ncompiled: %v", want, got)
			}
		})
	}
}

// verdicts lists which rules found something, and how bad.
func verdicts(r *Report) []string {
	var list []string
	for _, f := range r.Findings {
		if f.Status == Fail || f.Status == Warn {
			list = append(list, string(f.Status)+" "+f.Rule)
		}
	}
	slices.Sort(list)
	return list
}

func TestLineLimitOfMailers(t *testing.T) {
	s := ParseSendmail([]byte("V10/Berkeley\nMesmtp,\t\tP=[IPC], F=mDFMuXa, E=\\r\\n, L=990,\n\t\tT=DNS/RFC822/SMTP,\n\t\tA=TCP $h\n"))
	if found := s.judgeLines(ours()); len(found) != 1 || !strings.Contains(found[0].Found, "990") {
		t.Errorf("%+v", found)
	}
}

// TestSocketFor: what is to be pasted names where the milter listens.
func TestSocketFor(t *testing.T) {
	for want, listen := range map[string][]string{
		"inet:9999@127.0.0.1":     {"inet:127.0.0.1:9999"},
		"inet:9998@127.0.0.1":     {"inet:0.0.0.0:9998"},
		"inet:9997@10.1.2.3":      {"inet:10.1.2.3:9997"},
		"inet6:9996@::1":          {"inet:[::1]:9996"},
		"unix:/run/p/milter.sock": {"inet:127.0.0.1:9999", "unix:/run/p/milter.sock"},
		"inet:8891@127.0.0.1":     nil,
	} {
		if got := socketFor(listen); got != want {
			t.Errorf("%v: %s, want %s", listen, got, want)
		}
	}
	s := ParseSendmail([]byte("INPUT_MAIL_FILTER(`signer', `S=inet:9999@localhost')dnl\n"))
	r := s.Judge(Ours{Listen: []string{"inet:127.0.0.1:9999"}, LineLimit: 990})
	if f := r.Findings[0]; f.Status != Fail || !strings.Contains(strings.Join(f.Fix, " "), "(`signer', `S=inet:9999@localhost, F=T,") {
		t.Errorf("%+v", f)
	}
}
