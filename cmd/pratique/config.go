package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"

	"pratique/configs"
	"pratique/rates"
)

// loadConfig reads the configuration. The default file may be absent: every key has a safe default.
func loadConfig(path string) (*configs.Config, error) {
	name := path
	if name == "" {
		name = defaultConfig
	}
	cfg, err := configs.Load(name)
	switch {
	case err == nil:
		return cfg, nil
	case path == "" && errors.Is(err, fs.ErrNotExist):
		defaults := configs.Default()
		return &defaults, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, hint(err, fmt.Sprintf("run it as the user that owns %s, or as root", name))
	default:
		return nil, err
	}
}

func newLogger(w io.Writer, cfg *configs.Config) *slog.Logger {
	var level slog.Level
	// The configuration was validated: the text is a level.
	_ = level.UnmarshalText([]byte(cfg.LogLevel))
	options := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// hostname is the name of this host in what we write: configured, or the system's.
func hostname(cfg *configs.Config) string {
	if cfg.Hostname != "" {
		return cfg.Hostname
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "localhost"
}

// openCounters opens the counters kept in the state folder.
func openCounters(ctx context.Context, e *env, cfg *configs.Config, log *slog.Logger) (*rates.Store, error) {
	store, err := rates.Open(ctx, cfg.State, e.now, log)
	if err != nil {
		return nil, stateHint(fmt.Errorf("open the counters: %w", err))
	}
	return store, nil
}

// stateHint says what is usually wrong with a state folder, unless the error says so itself.
func stateHint(err error) error {
	var hinted *hintedError
	if errors.As(err, &hinted) {
		return err
	}
	return hint(err, "the state folder must be writable for the user that pratique runs as; set state in the configuration")
}

func printExample(e *env, args []string) (int, error) {
	if len(args) > 0 && args[0] == "password" {
		return hashPassword(e, args[1:])
	}
	if err := e.parse(e.flags("config"), args, 0, 0); err != nil {
		return 0, err
	}
	_, err := io.WriteString(e.stdout, configs.Example)
	return exitClean, err
}
