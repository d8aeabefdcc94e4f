package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pratique/milter/miltertest"
)

// The crowd: so many connections are open, and on some of them a large message is under way.
const (
	crowdConnections = 1000
	crowdMessages    = 100
	crowdSize        = 25 << 20
)

// crowded measures a subject's memory at rest, and its peak with the crowd. The
// large letters share one body, which keeps the generator small: nothing that is
// measured here keeps a body.
func (g *generator) crowded(ctx context.Context, r *running) (crowd, error) {
	c := crowd{Subject: r.name}
	pids, err := family(r.root)
	if err != nil {
		return c, err
	}
	idle, err := readMemory(pids)
	if err != nil {
		return c, err
	}
	c.Idle = idle.Now
	sessions, err := openMany(ctx, r, crowdConnections)
	defer func() {
		for _, s := range sessions {
			_ = s.close() // all was measured, or has failed already
		}
	}()
	if err != nil {
		return c, err
	}
	if err := resetPeaks(pids); err != nil {
		return c, err
	}
	if err := g.sendLarge(sessions[:crowdMessages]); err != nil {
		return c, err
	}
	c.Memory, err = readMemory(pids)
	return c, err
}

func openMany(ctx context.Context, r *running, n int) ([]session, error) {
	var all []session
	for range n {
		if ctx.Err() != nil {
			return all, ctx.Err()
		}
		s, err := r.open(r)
		if err != nil {
			return all, fmt.Errorf("open connection %d: %w", len(all)+1, err)
		}
		all = append(all, s)
	}
	return all, nil
}

func (g *generator) sendLarge(sessions []session) error {
	letters := newStationery(crowdSize, &g.serials)
	mails := make([]miltertest.Mail, len(sessions))
	for i := range mails {
		mails[i] = letters.next()
	}
	errs := make([]error, len(sessions))
	var wg sync.WaitGroup
	for i, s := range sessions {
		wg.Go(func() { _, errs[i] = s.send(mails[i]) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
