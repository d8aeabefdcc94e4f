package alerts

import (
	"context"
	"log/slog"
)

// logTo writes one line for each event: an error if it is critical, a warning if it
// is not, for information if it is over.
func logTo(log *slog.Logger) func(context.Context, Notification) error {
	return func(ctx context.Context, n Notification) error {
		for _, e := range n.Alerts {
			level := slog.LevelWarn
			switch {
			case e.State == Resolved || e.State == Tested:
				level = slog.LevelInfo
			case e.Severity == Critical:
				level = slog.LevelError
			}
			log.Log(ctx, level, "alert", "state", string(e.State), "name", e.Name, "subject", e.Subject,
				"severity", e.Severity.String(), "text", e.Text, "value", e.Value, "threshold", e.Threshold, "since", e.Since)
		}
		if n.More > 0 {
			log.Warn("alerts that are not listed", "count", n.More)
		}
		return nil
	}
}
