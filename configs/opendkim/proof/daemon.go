package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-milter"

	"pratique/milter/miltertest"
)

// ErrNotInstalled is returned where there is no OpenDKIM.
var ErrNotInstalled = errors.New("OpenDKIM is not installed")

// sbin is where the program lies where PATH does not lead every user.
const sbin = "/usr/sbin/opendkim"

// Daemon is an OpenDKIM of our own, on a private socket in a folder of its own.
type Daemon struct {
	dir    string
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the program has ended
	output bytes.Buffer  // to be read when it has
}

// patience is how long OpenDKIM may take to start.
const patience = 20 * time.Second

// Start starts OpenDKIM with a configuration, which names no socket. The error is
// ErrNotInstalled if there is none on this machine.
func Start(ctx context.Context, conf string) (*Daemon, error) {
	program, err := exec.LookPath("opendkim")
	if err != nil {
		program = sbin
	}
	if _, err := os.Stat(program); err != nil {
		return nil, ErrNotInstalled
	}
	dir, err := os.MkdirTemp("", "pratique-prove-")
	if err != nil {
		return nil, err
	}
	d := &Daemon{dir: dir, ended: make(chan struct{})}
	if err := d.start(ctx, program, conf); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return d, nil
}

func (d *Daemon) socket() string { return filepath.Join(d.dir, "milter.sock") }

func (d *Daemon) start(ctx context.Context, program, conf string) error {
	file := filepath.Join(d.dir, "opendkim.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return err
	}
	d.cmd = exec.Command(program, "-f", "-x", file, "-p", "local:"+d.socket())
	d.cmd.Stdout, d.cmd.Stderr = &d.output, &d.output
	if err := d.cmd.Start(); err != nil {
		return fmt.Errorf("start OpenDKIM: %w", err)
	}
	go func() {
		_ = d.cmd.Wait() // how it ended does not matter: it was not to
		close(d.ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if nc, err := net.Dial("unix", d.socket()); err == nil {
			return nc.Close()
		}
		select {
		case <-tick.C:
		case <-d.ended:
			return fmt.Errorf("OpenDKIM does not run with this configuration: %s", strings.TrimSpace(d.output.String()))
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("wait for OpenDKIM: %w", ctx.Err()), d.end())
		}
	}
}

// Close ends the program and removes its folder.
func (d *Daemon) Close() error { return errors.Join(d.end(), os.RemoveAll(d.dir)) }

// end kills: asked to end, libmilter looks up from its socket every five seconds only,
// and there is nothing of ours that it could leave behind half done.
func (d *Daemon) end() error {
	err := d.cmd.Process.Kill()
	<-d.ended
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// play asks the daemon about a message, as Postfix would.
func (d *Daemon) play(l *letterRead) (Side, error) {
	mta, err := miltertest.Dial("unix", d.socket(), miltertest.Postfix())
	if err != nil {
		return Side{}, err
	}
	defer mta.Close()
	client := miltertest.Client{Name: l.Client.Name, Family: '4', Addr: l.Client.Addr.String(), Port: 1025, Login: l.Client.Login}
	if l.Client.Addr.Is6() {
		client.Family = '6'
	}
	reply, err := mta.Connect(client)
	if err != nil || !reply.Continues() {
		return sideOf(reply), err
	}
	letter := miltertest.Mail{From: l.Sender, Recipients: miltertest.To(l.Recipients...), Body: l.body}
	for _, f := range l.message.Header.Fields() {
		letter.Header = append(letter.Header, miltertest.Field{Name: f.Name(), Value: string(f.Value())})
	}
	result, err := mta.Send(letter)
	if err != nil {
		return Side{}, err
	}
	side := sideOf(result.Reply)
	for _, m := range result.Modifications {
		inserted := m.Code == milter.ActInsertHeader || m.Code == milter.ActAddHeader
		if inserted && strings.EqualFold(m.Name, signatureField) {
			side.Signatures = append(side.Signatures, parseSignature(m.Value))
		}
	}
	return side, nil
}

// sideOf tells by a reply whether the message would leave.
func sideOf(r miltertest.Reply) Side {
	if r.Accepts() {
		return Side{}
	}
	return Side{Refused: true, Why: fmt.Sprintf("it answers %v", r)}
}
