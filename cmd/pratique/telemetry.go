package main

import (
	"context"
	"strings"

	"pratique/configs"
	"pratique/message"
	"pratique/telemetry/graphite"
)

// countFromZero has the metrics of a configuration that an alert on a rise needs to
// begin at zero: or else the first malware, or the first message that went unchecked,
// would be no rise.
func (d *daemon) countFromZero(cfg *configs.Config) {
	if cfg.Scanning.Clamd != "" {
		d.metrics.ExpectFinding("infected", cfg.Scanning.Infected)
	}
	stages := []string{message.StageBegin.String(), message.StageHeader.String(), message.StageBody.String(), message.StageEnd.String()}
	for check, policy := range map[string]message.OnError{
		"access": message.Tempfail, "rates": message.Tempfail, "lint": message.Tempfail,
		"scanning": cfg.Scanning.OnError, "signing": cfg.Signing.OnError,
	} {
		d.metrics.ExpectFailure(check, policy.String(), stages...)
	}
}

// sendFigures sends all figures to Graphite until what it returns is called.
func (d *daemon) sendFigures(ctx context.Context) (stop func()) {
	opts := d.started.Telemetry
	if opts.Graphite == "" {
		return func() {}
	}
	p := &graphite.Pusher{
		Addr: opts.Graphite, Prefix: strings.ReplaceAll(opts.Prefix, "{host}", graphite.Part(hostname(d.started))),
		Every: opts.Every, Gatherer: d.metrics.Gatherer(), Now: d.env.now, Log: d.log, Sent: d.metrics.Graphite(),
	}
	return d.beside(ctx, "figures for Graphite", p.Run)
}
