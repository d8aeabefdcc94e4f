package queue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Where the MTAs keep what we look for.
const (
	postfixQueue  = "/var/spool/postfix"
	sendmailQueue = "/var/spool/mqueue"
)

// Off is the name of no queue at all.
const Off = "off"

// CheckName reports what is wrong with the name of a queue: "auto", "postfix",
// "postfix:/etc/postfix-out" (the folder of main.cf), "sendmail",
// "sendmail:/var/spool/mqueue" or "off".
func CheckName(name string) error {
	kind, folder, more := strings.Cut(name, ":")
	switch {
	case !more && (kind == "auto" || kind == Off || kind == "postfix" || kind == "sendmail"):
		return nil
	case more && (kind == "postfix" || kind == "sendmail") && filepath.IsAbs(folder):
		return nil
	}
	return fmt.Errorf("%q is none of \"auto\", \"postfix\", \"postfix:/etc/postfix-out\" (the folder of main.cf), \"sendmail\", \"sendmail:/var/spool/mqueue\", \"off\"", name)
}

// Open finds the queue of that name. The error wraps ErrNone if there is no such MTA.
func Open(ctx context.Context, name string, now func() time.Time) (Source, error) {
	kind, folder, _ := strings.Cut(name, ":")
	switch kind {
	case "postfix":
		return openPostfix(ctx, folder)
	case "sendmail":
		return openSendmail(folder, now), nil
	case "auto":
		if source, err := openPostfix(ctx, ""); err == nil {
			return source, nil
		}
		if info, err := os.Stat(sendmailQueue); err == nil && info.IsDir() {
			return openSendmail("", now), nil
		}
		return nil, fmt.Errorf("%w: neither Postfix nor %s is here", ErrNone, sendmailQueue)
	}
	return nil, fmt.Errorf("%w: the queue is %s", ErrNone, Off)
}

// openPostfix tries showq's socket, and postqueue if that may not be entered.
func openPostfix(ctx context.Context, config string) (Source, error) {
	program, err := programPath("postqueue")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNone, err)
	}
	folder, err := queueFolder(ctx, config)
	if err != nil {
		return nil, err
	}
	return first{
		showq{filepath.Join(folder, "public", "showq")},
		postqueue{program, config},
	}, nil
}

// queueFolder asks Postfix for its queue_directory.
func queueFolder(ctx context.Context, config string) (string, error) {
	program, err := programPath("postconf")
	if err != nil {
		return postfixQueue, nil
	}
	args := []string{"-h", "queue_directory"}
	if config != "" {
		args = append([]string{"-c", config}, args...)
	}
	out, err := exec.CommandContext(ctx, program, args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
		}
		return "", fmt.Errorf("ask Postfix for its queue_directory: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func openSendmail(folder string, now func() time.Time) Source {
	if folder == "" {
		folder = sendmailQueue
	}
	sources := first{spool{folder}}
	if program, err := programPath("mailq"); err == nil && folder == sendmailQueue {
		sources = append(sources, mailq{program, now})
	}
	return sources
}

// programPath finds a program in PATH and in the folders that only root has there.
func programPath(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}
