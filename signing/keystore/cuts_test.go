package keystore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

var errCut = errors.New("the power is cut")

// A cut at any step leaves the keys as they were, or as they were to be, and the
// next command works.
func TestCuts(t *testing.T) {
	for name, act := range map[string]func(ctx context.Context, s *Store) error{
		"first": func(ctx context.Context, s *Store) error {
			_, err := s.New(ctx, "first.example", "", ed25519Kind)
			return err
		},
		"new": func(ctx context.Context, s *Store) error {
			_, err := s.New(ctx, "example.net", "", ed25519Kind)
			return err
		},
		"rotate": func(ctx context.Context, s *Store) error {
			_, err := s.Rotate(ctx, "example.org", "")
			return err
		},
		"remove": func(ctx context.Context, s *Store) error {
			_, err := s.Remove(ctx, "done.example", "20261124e", false)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			for at := 1; ; at++ {
				s, _ := newStore(t)
				if name != "first" {
					s.put(t, "example.org", Active)
					s.put(t, "done.example", Done)
				}
				before := s.mustKeys(t)
				if !cutAt(t, s, at, act) {
					if at < 6 {
						t.Errorf("there are only %d steps to cut at", at-1)
					}
					return
				}
				s.survives(t, fmt.Sprintf("cut %d", at), before)
				if err := act(t.Context(), s); err != nil && len(s.mustKeys(t)) == len(before) {
					t.Errorf("cut %d, done again: %v", at, err)
				}
			}
		})
	}
}

// cutAt acts and cuts at the n-th step; false: there are fewer steps.
func cutAt(t *testing.T, s *Store, n int, act func(context.Context, *Store) error) bool {
	t.Helper()
	step := 0
	s.cut = func(string) error {
		if step++; step >= n {
			return errCut
		}
		return nil
	}
	defer func() { s.cut = func(string) error { return nil } }()
	err := act(t.Context(), s)
	if err != nil && !errors.Is(err, errCut) {
		t.Errorf("cut %d: %v", n, err)
	}
	return err != nil
}

// survives holds that every key of the list has its file, and that none is lost
// that had a state.
func (s *Store) survives(t *testing.T, when string, before []Key) {
	t.Helper()
	keys := s.mustKeys(t)
	for _, k := range keys {
		if _, err := s.Load(k); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	for _, k := range before {
		if !slices.Contains(keys, k) && k.State != Done {
			t.Errorf("%s: %v is lost, there are %v", when, k, keys)
		}
	}
}

// A full or broken disk is said, and changes nothing.
func TestFullDisk(t *testing.T) {
	s, _ := newStore(t)
	s.put(t, "example.org", Active)
	before := s.mustKeys(t)
	s.cut = func(step string) error {
		if strings.HasPrefix(step, "write") && strings.Contains(step, listName) {
			return &os.PathError{Op: "write", Path: listName, Err: syscall.ENOSPC}
		}
		return nil
	}
	if _, err := s.Rotate(t.Context(), "example.org", ""); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("rotate: %v", err)
	}
	if !slices.Equal(before, s.mustKeys(t)) {
		t.Errorf("there are %v", s.mustKeys(t))
	}
}
