package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"pratique/configs"
	"pratique/posture"
	"pratique/posture/mta"
	"pratique/signing"
)

// Where the MTAs of most systems are configured, the first one that is there.
var (
	postfixFolders = []string{"/etc/postfix", "/usr/local/etc/postfix", "/opt/local/etc/postfix"}
	sendmailFiles  = []string{"/etc/mail/sendmail.cf", "/etc/sendmail.cf"}
)

// auditMTA judges the configuration of the MTA in front of the milter.
func auditMTA(e *env, args []string) (int, error) {
	fs := e.flags("audit mta")
	path := fs.String("config", "", "configuration `file` (default "+defaultConfig+")")
	folder := fs.String("postfix", "", "`folder` of main.cf and master.cf (default /etc/postfix)")
	sendmail := fs.String("sendmail", "", "sendmail's cf or mc `file`, in place of Postfix")
	asJSON := fs.Bool("json", false, "print JSON")
	all := fs.Bool("all", false, "print what is fine, too")
	if err := e.parse(fs, args, 0, 0); err != nil {
		return 0, err
	}
	if *folder != "" && *sendmail != "" {
		return 0, errors.New("--postfix and --sendmail are two MTAs: judge one after the other")
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	const patience = 30 * time.Second // for postconf
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	report, err := judgeMTA(ctx, *folder, *sendmail, oursFor(cfg))
	if err != nil {
		return 0, err
	}
	if *asJSON {
		err = json.NewEncoder(e.stdout).Encode(report)
	} else {
		err = printMTA(e.stdout, report, *all)
	}
	return auditStatus(worstOf(report)), err
}

// worstOf is the worst of a judgement, as audits have it.
func worstOf(r *mta.Report) posture.Status {
	for _, s := range []mta.Status{mta.Fail, mta.Warn, mta.Unknown} {
		if r.Count(s) > 0 {
			return posture.Status(s)
		}
	}
	return posture.OK
}

// judgeMTA judges what it is told to, else the MTA that it finds.
func judgeMTA(ctx context.Context, folder, sendmail string, ours mta.Ours) (*mta.Report, error) {
	if folder == "" && sendmail == "" {
		folder, sendmail = findMTA()
	}
	switch {
	case folder != "":
		p, err := mta.LoadPostfix(ctx, folder)
		if err != nil {
			return nil, withPermissionHint(err)
		}
		return p.Judge(ours), nil
	case sendmail != "":
		s, err := mta.LoadSendmail(sendmail)
		if err != nil {
			return nil, withPermissionHint(err)
		}
		return s.Judge(ours), nil
	}
	return nil, hint(errors.New("there is neither Postfix nor sendmail where they usually are"),
		"--postfix names the folder of main.cf, --sendmail the cf or mc file")
}

func withPermissionHint(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return hint(err, "run it as root, or as a user who may read the configuration of the MTA")
	}
	return err
}

func findMTA() (folder, sendmail string) {
	for _, dir := range postfixFolders {
		if _, err := os.Stat(dir + "/main.cf"); err == nil {
			return dir, ""
		}
	}
	for _, file := range sendmailFiles {
		if _, err := os.Stat(file); err == nil {
			return "", file
		}
	}
	return "", ""
}

// oursFor says of a configuration what the MTA's is held against.
func oursFor(cfg *configs.Config) mta.Ours {
	ours := mta.Ours{
		Listen:      cfg.Listen,
		Admits:      cfg.Access.Covers(),
		PassUnknown: cfg.Access.Unlisted == "pass",
		Generic:     cfg.Survival.Generic,
		Signed:      signing.SignedFields(),
		LineLimit:   cfg.Survival.LineLimit,
		Mends:       cfg.Survival.Mend,
		Progress:    cfg.Milter.ProgressInterval,
		Idle:        cfg.Milter.IdleTimeout,
	}
	if cfg.Scanning.Clamd != "" {
		ours.ScanMax = cfg.Scanning.MaxSize
	}
	return ours
}

// printMTA prints what was found, the worst first.
func printMTA(w io.Writer, r *mta.Report, all bool) error {
	p := &printer{w: w}
	p.line("%s, %s", r.MTA, r.Source)
	for _, f := range r.Findings {
		if f.Status == mta.OK && !all {
			continue
		}
		if f.Status != mta.OK {
			p.line("")
		}
		where := ""
		if f.Where != "" {
			where = f.Where + ": "
		}
		p.line("%-8s%s%s", f.Status, where, f.Found)
		for _, text := range append([]string{f.Means}, f.Fix...) {
			if text != "" {
				p.line("        %s", text)
			}
		}
	}
	p.line("")
	p.line("%s", sumUp(r))
	return p.err
}

func sumUp(r *mta.Report) string {
	var parts []string
	for _, s := range []struct {
		status mta.Status
		words  string
	}{{mta.Fail, "wrong"}, {mta.Warn, "to look at"}, {mta.Unknown, "not known"}, {mta.OK, "fine"}} {
		if n := r.Count(s.status); n > 0 || s.status == mta.OK {
			parts = append(parts, fmt.Sprintf("%d %s", n, s.words))
		}
	}
	return strings.Join(parts, ", ")
}

// printer writes lines and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
