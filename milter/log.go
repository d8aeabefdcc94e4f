package milter

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"pratique/message"
)

// logMessage writes the one line that every message gets, and one for each
// check that broke.
func logMessage(ctx context.Context, log *slog.Logger, tx *transaction, o message.Outcome, took time.Duration) {
	m := tx.m
	for _, f := range m.Failures {
		logFailure(ctx, log, m, f)
	}
	if !log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	attrs := append(make([]slog.Attr, 0, mostAttrs),
		slog.String("queue_id", m.QueueID),
		slog.String("client", clientOf(m)),
		slog.String("login", m.Client.Login),
		slog.String("tls", m.Client.TLS),
		slog.String("sender", m.Sender),
		slog.Int("recipients", len(m.Recipients)),
		slog.Int64("size", m.Size()),
		slog.String("verdict", o.Verdict.String()),
	)
	if o.Check != "" {
		attrs = append(attrs, slog.String("check", o.Check))
	}
	if o.Check != "" || !o.Verdict.Leaves() {
		attrs = append(attrs, slog.String("stage", o.Stage.String()))
	}
	if tx.outcome != nil {
		attrs = append(attrs, slog.String("reply", tx.replied.String()))
	}
	if o.Reason != "" {
		attrs = append(attrs, slog.String("reason", o.Reason))
	}
	attrs = append(attrs, slog.Int("findings", len(m.Findings)))
	if len(m.Notes) > 0 {
		attrs = append(attrs, slog.String("notes", notes(m.Notes)))
	}
	attrs = append(attrs, slog.Duration("duration", took))
	record := slog.NewRecord(time.Now(), slog.LevelInfo, "message", 0) // the line of code, which nobody prints, costs 0.7 µs to find
	record.AddAttrs(attrs...)
	_ = log.Handler().Handle(ctx, record) // what can't be logged can't be told either
}

// mostAttrs is how many attributes the line of a message has at the most.
const mostAttrs = 16

// clientOf is the client's address, or its name if there is no address that could be read.
func clientOf(m *message.Message) string {
	if !m.Client.Addr.IsValid() {
		return m.Client.Name
	}
	return m.Client.Addr.String()
}

func notes(all []message.Note) string {
	parts := make([]string, len(all))
	for i, n := range all {
		parts[i] = n.Check + " " + n.Key + ": " + n.Text
		if n.Code != "" {
			parts[i] = n.Check + " " + n.Key + " " + n.Code + ": " + n.Text
		}
	}
	return strings.Join(parts, "; ")
}

func logFailure(ctx context.Context, log *slog.Logger, m *message.Message, f message.Failure) {
	attrs := []slog.Attr{
		slog.String("queue_id", m.QueueID),
		slog.String("check", f.Check),
		slog.String("stage", f.Stage.String()),
		slog.String("policy", f.Policy.String()),
		slog.String("error", f.Err.Error()),
	}
	log.LogAttrs(ctx, slog.LevelError, "check failed", withStack(attrs, f.Err)...)
}

func withStack(attrs []slog.Attr, err error) []slog.Attr {
	var panicked *message.PanicError
	if errors.As(err, &panicked) {
		attrs = append(attrs, slog.String("stack", string(panicked.Stack)))
	}
	return attrs
}

// logEnd logs why a connection ended: as a warning where something is wrong with it.
func (s *session) logEnd(reason error) {
	level := slog.LevelWarn
	switch {
	case errors.Is(reason, errTooMany): // logged where it was found out
		level = slog.LevelDebug
	case s.tx != nil && !errors.Is(reason, errQuit):
	case errors.Is(reason, errQuit), errors.Is(reason, errHungUp), errors.Is(reason, errStopping):
		level = slog.LevelDebug
	}
	var panicked *message.PanicError
	if errors.As(reason, &panicked) {
		level = slog.LevelError
	}
	ctx := s.conn.ctx
	if !s.log().Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("mta", s.conn.peerName()),
		slog.String("client", s.client.Name),
		slog.String("reason", reason.Error()),
	}
	if s.tx != nil {
		attrs = append(attrs, slog.String("queue_id", s.tx.m.QueueID), slog.String("sender", s.tx.m.Sender))
	}
	s.log().LogAttrs(ctx, level, "milter connection ended", withStack(attrs, reason)...)
}
