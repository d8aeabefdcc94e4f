package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pratique/milter/miltertest"
)

// session is one connection to a subject, used by one goroutine.
type session interface {
	// send sends a letter and returns how long the answer took from its last octet.
	send(m miltertest.Mail) (wait time.Duration, err error)
	close() error
}

// patience is how long a milter may take for one answer, with a hundred others waiting too.
const patience = 2 * time.Minute

// milterSession sends letters as Postfix does.
type milterSession struct{ conn *miltertest.Conn }

func openMilter(r *running) (session, error) {
	conn, err := dialMilter(r)
	if err != nil {
		return nil, err
	}
	return &milterSession{conn}, nil
}

func dialMilter(r *running) (*miltertest.Conn, error) {
	mta := miltertest.Postfix()
	mta.Patience = patience
	conn, err := miltertest.Dial(r.network, r.addr, mta)
	if err != nil {
		return nil, err
	}
	reply, err := conn.Connect(miltertest.Client{Name: "client.example.org", Family: '4', Addr: "127.0.0.1", Port: 25, Daemon: "smtpd"})
	if err == nil && !reply.Continues() {
		err = fmt.Errorf("the client was answered %v", reply)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func (s *milterSession) send(m miltertest.Mail) (time.Duration, error) {
	result, err := s.conn.Send(m)
	if err == nil && !result.Reply.Accepts() {
		err = fmt.Errorf("the letter was answered %v", result.Reply)
	}
	return result.Wait, err
}

func (s *milterSession) close() error { return s.conn.Quit() }

// point is a load: so many connections, each sending letters of this size back to back.
type point struct {
	Size        int `json:"size"`
	Connections int `json:"connections"`
}

// sample is what one run measured.
type sample struct {
	Messages int           `json:"messages"`
	Elapsed  time.Duration `json:"elapsed"`
	CPU      time.Duration `json:"cpu"`  // of the subject's processes
	Load     time.Duration `json:"load"` // CPU of the load's own
	Median   time.Duration `json:"wait_median"`
	P99      time.Duration `json:"wait_p99"`
	Memory   memory        `json:"memory"`
}

// generator plays loads.
type generator struct {
	serials atomic.Uint64
	time    time.Duration // for one run; letters under way are finished
}

// measure plays a load to a subject.
func (g *generator) measure(ctx context.Context, r *running, p point) (sample, error) {
	players, err := g.assemble(r, p)
	defer func() {
		for _, pl := range players {
			_ = pl.session.close() // the run is over, or has failed already
		}
	}()
	if err != nil {
		return sample{}, err
	}
	pids, err := family(r.root)
	if err != nil {
		return sample{}, err
	}
	if err := resetPeaks(pids); err != nil {
		return sample{}, err
	}
	s, err := g.clock(ctx, pids, players)
	if err != nil {
		return sample{}, err
	}
	s.Memory, err = readMemory(pids)
	return s, err
}

// clock has the players play and takes the times.
func (g *generator) clock(ctx context.Context, pids []int, players []*player) (sample, error) {
	self := []int{os.Getpid()}
	cpu, err := cpuTime(pids)
	if err != nil {
		return sample{}, err
	}
	load, err := cpuTime(self)
	if err != nil {
		return sample{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, g.time)
	defer cancel()
	began := time.Now()
	if err := playAll(ctx, players); err != nil {
		return sample{}, err
	}
	s := summarize(players, time.Since(began))
	after, err := cpuTime(pids)
	if err != nil {
		return sample{}, err
	}
	loadAfter, err := cpuTime(self)
	s.CPU, s.Load = after-cpu, loadAfter-load
	return s, err
}

// player sends on one session.
type player struct {
	session session
	letters *stationery
	waits   []time.Duration
}

// warmUp is the size of the letter that opens each session, unmeasured.
const warmUp = 2 << 10

// assemble opens the sessions of a load.
func (g *generator) assemble(r *running, p point) ([]*player, error) {
	var players []*player
	first := newStationery(warmUp, &g.serials)
	for range p.Connections {
		session, err := r.open(r)
		if err != nil {
			return players, fmt.Errorf("open connection %d: %w", len(players)+1, err)
		}
		players = append(players, &player{session: session, letters: newStationery(p.Size, &g.serials)})
		if _, err := session.send(first.next()); err != nil {
			return players, err
		}
	}
	return players, nil
}

// playAll has all players send until the context ends, one letter at least.
func playAll(ctx context.Context, players []*player) error {
	errs := make([]error, len(players))
	var wg sync.WaitGroup
	for i, pl := range players {
		wg.Go(func() { errs[i] = pl.play(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (pl *player) play(ctx context.Context) error {
	for {
		wait, err := pl.session.send(pl.letters.next())
		if err != nil {
			return err
		}
		pl.waits = append(pl.waits, wait)
		if ctx.Err() != nil {
			return nil
		}
	}
}

func summarize(players []*player, elapsed time.Duration) sample {
	var waits []time.Duration
	for _, pl := range players {
		waits = append(waits, pl.waits...)
	}
	return sample{Messages: len(waits), Elapsed: elapsed, Median: quantile(waits, 0.5), P99: quantile(waits, 0.99)}
}

// quantile returns the value that a share q of all values do not pass (nearest rank), or 0 of none.
func quantile[T cmp.Ordered](values []T, q float64) T {
	var none T
	if len(values) == 0 {
		return none
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
