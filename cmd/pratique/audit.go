package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"pratique/configs"
	"pratique/posture"
	"pratique/telemetry/nagios"
)

// auditCommands are the subcommands of audit, one file each.
func auditCommands() []command {
	return []command{
		{"relay", "HOST:PORT [--from ADDRESS] [--json]", "try whether a server relays for strangers; nothing is delivered", auditRelay},
		{"mta", "[--postfix FOLDER|--sendmail FILE] [--all] [--json]", "name what in the MTA's configuration works against the milter", auditMTA},
	}
}

// audit looks whether this server is fit to send, or runs one of its subcommands.
func audit(e *env, args []string) (int, error) {
	if len(args) > 0 {
		switch args[0] {
		case "help", "-h", "-help", "--help":
			auditUsage(e.stdout)
			return exitClean, nil
		}
		for _, c := range auditCommands() {
			if c.name == args[0] {
				return c.run(e, args[1:])
			}
		}
		if !strings.HasPrefix(args[0], "-") {
			return 0, hint(fmt.Errorf("there is no command \"audit %s\"", args[0]), "pratique audit help lists them")
		}
	}
	return auditAll(e, args)
}

func auditUsage(w io.Writer) {
	fmt.Fprintf(w, "Is this server fit to send? Looks from outside, as receivers do, and changes nothing.\n\nUsage:\n"+
		"  pratique audit [--domain NAME] [--json|--nagios]\n        addresses, DNS records of the sending domains, blocklists, certificates\n")
	for _, c := range auditCommands() {
		fmt.Fprintf(w, "  pratique audit %s\n        %s\n", c.name+" "+c.args, c.does)
	}
	fmt.Fprintf(w, "\nExit status: 0 all is well, 1 warnings or something not known, 2 something fails, or the audit itself.\n"+
		"With --nagios: 0 ok, 1 warning, 2 critical, 3 unknown.\n")
}

// auditFlags are those of an audit.
type auditFlags struct {
	config, postfix string
	json, nagios    bool
	brief           bool
	noLists         bool
	timeout         time.Duration
	domains         []string
}

// auditAll audits everything.
func auditAll(e *env, args []string) (int, error) {
	var f auditFlags
	fs := e.flags("audit")
	f.define(fs)
	if err := e.parse(fs, args, 0, 0); err != nil {
		return f.failed(e, err)
	}
	if f.json && f.nagios {
		return 0, fmt.Errorf("--json and --nagios exclude each other")
	}
	cfg, err := loadConfig(f.config)
	if err != nil {
		return f.failed(e, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(f.timeout, cfg.Audit.Timeout))
	defer cancel()
	subject, err := auditSubject(ctx, e, cfg, f)
	if err != nil {
		return f.failed(e, err)
	}
	report := posture.Run(ctx, auditEnv(e, cfg, f.noLists), subject)
	return f.print(e, report)
}

func (f *auditFlags) define(fs *flag.FlagSet) {
	fs.StringVar(&f.config, "config", "", "configuration `file` (default "+defaultConfig+")")
	fs.StringVar(&f.postfix, "postfix", "", "`folder` of Postfix's main.cf (default: that of the installed Postfix)")
	fs.BoolVar(&f.json, "json", false, "print one JSON object")
	fs.BoolVar(&f.nagios, "nagios", false, "print and exit as a Nagios plugin")
	fs.BoolVar(&f.brief, "brief", false, "print only what is not well")
	fs.BoolVar(&f.noLists, "no-blocklists", false, "do not ask blocklists")
	fs.DurationVar(&f.timeout, "timeout", 0, "`time` for the whole audit (default: [audit] timeout)")
	fs.Func("domain", "look at this sending domain alone; may be repeated", func(name string) error {
		domain, ok := posture.DomainName(name)
		if !ok {
			return fmt.Errorf("%q is no domain such as example.org", name)
		}
		f.domains = append(f.domains, domain)
		return nil
	})
}

// failed reports that the audit itself failed, which a Nagios plugin has a status of its own for.
func (f auditFlags) failed(e *env, err error) (int, error) {
	if !f.nagios || isHelp(err) {
		return 0, err
	}
	return int(nagios.Unknown), nagios.Result{Service: "AUDIT", State: nagios.Unknown, Text: err.Error()}.Write(e.stdout)
}

func (f auditFlags) print(e *env, r posture.Report) (int, error) {
	if f.brief {
		r = r.Brief()
	}
	switch {
	case f.json:
		return auditStatus(r.Status), r.WriteJSON(e.stdout)
	case f.nagios:
		result := nagiosResult(r)
		return int(result.State), result.Write(e.stdout)
	}
	return auditStatus(r.Status), r.WriteText(e.stdout)
}

// auditStatus is the exit status: that something fails is told from a warning, and
// what is not known is never well.
func auditStatus(s posture.Status) int {
	switch s {
	case posture.Fail:
		return exitFailure
	case posture.Warn, posture.Unknown:
		return exitFindings
	}
	return exitClean
}

// nagiosResult is the report as a plugin tells it.
func nagiosResult(r posture.Report) nagios.Result {
	states := []struct {
		status posture.Status
		state  nagios.State
	}{{posture.Fail, nagios.Critical}, {posture.Unknown, nagios.Unknown}, {posture.Warn, nagios.Warning}}
	result := nagios.Result{Service: "AUDIT", Text: r.Headline()}
	for _, s := range states {
		if r.Counts[s.status] > 0 {
			result.State = result.State.Worse(s.state)
		}
		zero := 0.0
		result.Data = append(result.Data, nagios.Datum{Label: string(s.status), Value: float64(r.Counts[s.status]), Min: &zero})
		for _, f := range r.Findings {
			if f.Status == s.status {
				result.Details = append(result.Details, fmt.Sprintf("%s: %s %s: %s", f.Status, f.Topic, f.Subject, f.Found))
			}
		}
	}
	if len(result.Details) > 0 {
		result.Text += "; " + result.Details[0]
	}
	return result
}

// auditEnv is what an audit has of the world under a configuration.
func auditEnv(e *env, cfg *configs.Config, noLists bool) posture.Env {
	env := posture.Env{Resolver: auditResolver(cfg), Authority: authority(cfg), Now: e.now}
	if !noLists {
		env.Lists = cfg.Audit.Lists()
	}
	if cfg.Audit.FetchPolicies {
		env.Policies = policyClient(cfg)
	}
	return env
}
