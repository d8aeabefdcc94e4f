package main

import (
	"context"
	"errors"
	"fmt"

	"pratique/configs"
	"pratique/configs/setup"
	"pratique/posture/mta"
)

// wire tells the lines for the MTA, and with --apply has Postfix take them.
func (in *installer) wire(ctx context.Context) error {
	if in.postfix == nil {
		in.line("\nFor sendmail, in sendmail.mc before the MAILER lines:\n\n%s", indent(mta.SendmailLines(oursFor(in.cfg))))
		return nil
	}
	settings := in.postfix.Propose(oursFor(in.cfg))
	if len(settings) == 0 {
		in.line("\nPostfix     is set up: nothing is to change in main.cf")
	} else {
		in.line("\nFor Postfix:\n")
		if first := in.postfix.Prelude(); first != "" {
			in.line("    %s", first)
		}
		for _, s := range settings {
			in.line("    %s", in.postfix.Command(s))
		}
	}
	in.tellRest(settings)
	in.tellOpenDKIM(settings)
	if len(settings) == 0 {
		return nil
	}
	return in.apply(ctx, settings)
}

// tellRest tells what those lines do not mend.
func (in *installer) tellRest(settings []mta.Setting) {
	report := in.postfix.With(settings).Judge(oursFor(in.cfg))
	left := report.Count(mta.Fail) + report.Count(mta.Warn)
	if left == 0 {
		return
	}
	in.line("\nAnd to look at (pratique audit mta tells more):\n")
	for _, f := range report.Findings {
		if f.Status == mta.Fail || f.Status == mta.Warn {
			in.line("    %s %s: %s", f.Status, f.Where, f.Found)
		}
	}
}

// apply changes Postfix once the milter answers. Before that every message would
// be deferred: Postfix's processes read main.cf as they start, without a reload.
func (in *installer) apply(ctx context.Context, settings []mta.Setting) error {
	if !in.o.apply {
		in.line("\nStart the daemon (configs/pratique.service, or: pratique serve --config %s),\nthen: pratique setup --config %[1]s --apply", in.o.config)
		return nil
	}
	if yes, err := in.ask.confirm("Change Postfix by these lines?", true); err != nil || !yes {
		return errors.Join(err, errDeclined(yes))
	}
	if err := in.answering(ctx); err != nil {
		return err
	}
	if why := in.postfix.With(settings).Unreachable(oursFor(in.cfg)); why != "" {
		return hint(fmt.Errorf("nothing was changed, for Postfix would not reach the milter: %s", why),
			"mend that first, or mail would be deferred from now on; then run this again")
	}
	w, err := setup.Apply(ctx, in.postfix.Source, in.cfg.State, settings, in.e.now())
	if err != nil && w != nil {
		return hint(err, "some of it may be changed: pratique setup --config "+in.o.config+" --undo gives it back")
	}
	if err != nil {
		return withPermissionHint(err)
	}
	in.line("changed     %s/main.cf; as it was: %s", w.Folder, w.Backup)
	running, err := setup.Reload(ctx, w.Folder)
	switch {
	case err != nil:
		return err
	case running:
		in.line("reloaded    Postfix")
	default:
		in.line("            Postfix is not running")
	}
	in.line("            pratique setup --config %s --undo gives it back", in.o.config)
	return nil
}

// answering plays a message through every address that the daemon should listen on.
func (in *installer) answering(ctx context.Context) error {
	for _, f := range checkMilter(ctx, in.e, in.cfg) {
		if f.State != "ok" {
			return hint(fmt.Errorf("nothing was changed, for the milter at %s is not in order: %s", f.Subject, f.Text),
				"start the daemon first, or mail would be deferred from now on; then run this again")
		}
	}
	return nil
}

// undoSetup gives Postfix back what setup changed. With the state folder named it
// needs no configuration, which may be what is broken.
func undoSetup(ctx context.Context, e *env, o setupOptions) (int, error) {
	if o.state == "" {
		cfg, err := configs.Load(o.config)
		if err != nil {
			return 0, hint(err, "--state names the state folder, and the configuration is not needed to undo")
		}
		o.state = cfg.State
	}
	u, err := setup.Undo(ctx, o.state)
	if errors.Is(err, setup.ErrNothing) {
		return 0, hint(err, "what setup --apply does is written down in the state folder, "+o.state)
	}
	if err != nil {
		return 0, withPermissionHint(err)
	}
	p := &printer{w: e.stdout}
	p.line("%s/main.cf has its settings back; configuration, keys and records stay as they are", u.Folder)
	for _, s := range u.Trimmed {
		p.line("trimmed     %s: somebody changed it since; what setup had added was taken out", s.Name)
	}
	for _, s := range u.Left {
		p.line("left        %s: somebody changed it since; before setup it was %s", s.Name, or(s.Before, map[bool]string{true: "empty", false: "not set"}[s.WasSet]))
	}
	if len(u.Left)+len(u.Trimmed) > 0 {
		p.line("            all of main.cf as it was before: %s", u.Backup)
	}
	running, err := setup.Reload(ctx, u.Folder)
	if err == nil && running {
		p.line("reloaded    Postfix")
	}
	if err == nil {
		err = p.err
	}
	if len(u.Left) > 0 {
		return exitFindings, err
	}
	return exitClean, err
}
